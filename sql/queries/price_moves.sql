-- grain: one row per change of one offer's price, the newest first
-- An offer that came, or came back, has no price before; what was withdrawn or has lapsed is no row.
-- parameters: gpu_ids varchar[], providers varchar[], region varchar, tiers varchar[], purchase_options varchar[],
--             min_count double, max_count double (null: no filter); since timestamptz (null: any), until timestamptz,
--             max_rows integer
with step as (
    select
        history.*,
        lag(history.usd_per_gpu_hour) over by_time as usd_per_gpu_hour_before,
        lag(history.valid_to) over by_time as valid_to_before
    from price_history_wanted(
        $gpu_ids::varchar[], $providers::varchar[], $region::varchar, $tiers::varchar[], $purchase_options::varchar[],
        $min_count::double, $max_count::double,
        -- the price before a change at that very time lasted until then
        $since::timestamptz - interval 1 microsecond, last_at := $until::timestamptz
    ) as history
    window by_time as (partition by history.source, history.offer_id order by history.valid_from)
)

select
    valid_from as changed_at, provider, instance_type, region, tier, gpu_id, gpu_count, purchase_option, term_months,
    usd_per_gpu_hour_before, usd_per_gpu_hour,
    round(usd_per_gpu_hour::double / usd_per_gpu_hour_before::double - 1, 4) as change,
    source || ':' || offer_id || ':' || epoch_us(observed_at) as price_id
from step
where
    usd_per_gpu_hour is not null
    and usd_per_gpu_hour_before is not null
    and usd_per_gpu_hour <> usd_per_gpu_hour_before
    and valid_to_before >= valid_from
    and ($since::timestamptz is null or valid_from >= $since::timestamptz)
    and valid_from <= $until::timestamptz
order by valid_from desc, abs(change) desc, provider, price_id
limit $max_rows::integer;

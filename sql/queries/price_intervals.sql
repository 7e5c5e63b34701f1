-- grain: one row per offer and interval in which its price did not change, oldest first
-- parameters: gpu_ids varchar[], providers varchar[], region varchar, tiers varchar[], purchase_options varchar[],
--             min_count double, max_count double, since timestamptz, until timestamptz, max_rows integer
--             (null: no filter); now timestamptz
select
    history.valid_from,
    -- what is dated ahead of the clock has not ended yet
    case
        when history.valid_to <= $now::timestamptz then history.valid_to
        when history.lapses_at <= $now::timestamptz then history.lapses_at
    end as valid_to,
    history.last_seen_at, history.provider, history.instance_type, history.region, history.tier,
    history.gpu_id, history.gpu_count, history.purchase_option, history.term_months, history.payment,
    history.amount, history.currency, history.unit, history.usd_per_hour, history.usd_per_gpu_hour,
    history.source, history.confidence, history.offer_id
from price_history_wanted(
    $gpu_ids::varchar[], $providers::varchar[], $region::varchar, $tiers::varchar[], $purchase_options::varchar[],
    $min_count::double, $max_count::double, null::timestamptz
) as history
where
    history.valid_from <= $now::timestamptz
    and ($since::timestamptz is null or coalesce(history.valid_to, history.lapses_at) > $since::timestamptz)
    and ($until::timestamptz is null or history.valid_from <= $until::timestamptz)
order by history.valid_from, history.provider, history.instance_type, history.region, history.offer_id, history.source
limit coalesce($max_rows::integer, 9223372036854775807);

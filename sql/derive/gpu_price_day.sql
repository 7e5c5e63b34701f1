-- grain: one appended row per GPU, purchase option, provider (null: all) and UTC day from one date to before another
-- What `cheapest` as of the last microsecond of each day answers. Parts of a card (gpu_count below 1) set no price of the card.
-- parameters: from_date date, to_date date
insert into gpu_price_day by name
with part as (
    select
        step_no, gpu_id, purchase_option, provider, price_state,
        state_rank(price_state) as rank_no,
        count(*) as offers,
        min(usd_per_gpu_hour) as min_usd_per_gpu_hour,
        -- one list of prices in memory, and not one for each quantile
        quantile_disc(usd_per_gpu_hour, [0.1, 0.25, 0.5, 0.75, 0.9]) as quantiles,
        -- of equal prices the smaller order, then what was seen last
        arg_min(provider, (usd_per_gpu_hour, usd_per_hour, -last_seen_us, provider)) as cheapest_provider
    from (
        -- what is fresh and what is recorded are one place in the order
        select * replace (if(price_state = 'recorded', 'fresh', price_state) as price_state)
        from offer_step_wanted(
            null::varchar[], null::varchar[], null::varchar, null::varchar[], null::varchar[], 1, null::integer,
            ($from_date::date + 1)::timestamp at time zone 'UTC' - interval 1 microsecond,
            $to_date::date::timestamp at time zone 'UTC' - interval 1 microsecond,
            interval 1 day
        )
        where gpu_id is not null
    )
    group by
        grouping sets (
            (step_no, gpu_id, purchase_option, price_state), (step_no, gpu_id, purchase_option, provider, price_state)
        )
),

whole as (
    select
        *,
        sum(offers) over of_row as all_offers,
        count(distinct provider) over (partition by step_no, gpu_id, purchase_option) as all_providers
    from part
    window of_row as (partition by step_no, gpu_id, purchase_option, provider)
    qualify rank_no = min(rank_no) over of_row
)

select
    $from_date::date + step_no::integer as price_date,
    gpu_id,
    purchase_option,
    provider,
    price_state,
    all_offers as offers,
    if(provider is null, all_providers, 1) as providers,
    min_usd_per_gpu_hour,
    quantiles[1] as p10_usd_per_gpu_hour,
    quantiles[2] as p25_usd_per_gpu_hour,
    quantiles[3] as median_usd_per_gpu_hour,
    quantiles[4] as p75_usd_per_gpu_hour,
    quantiles[5] as p90_usd_per_gpu_hour,
    cheapest_provider
from whole
order by price_date, gpu_id, purchase_option, provider nulls first;

-- grain: one row per accelerator on sale in the view on_sale (on_sale.sql): whole cards at the most reliable state that
-- any price of it has, data-centre cards first, then what most providers sell
-- parameters: as_of timestamptz: the time that is asked of, null is now
with whole as (
    select
        gpu_id, provider, purchase_option, usd_per_gpu_hour, usd_per_hour, last_seen_at, price_state,
        state_rank(price_state) as state_no
    from on_sale
    where gpu_id is not null and gpu_count >= 1 and usd_per_gpu_hour is not null and price_state <> 'lapsed'
),

reliable as (
    select gpu_id, min(state_no) as state_no, arg_min(price_state, state_no) as price_state
    from whole
    group by gpu_id
),

by_provider as (
    select
        whole.gpu_id, any_value(reliable.price_state) as price_state, whole.provider, whole.purchase_option,
        min(whole.usd_per_gpu_hour) as usd, count(*) as offers
    from whole
    inner join reliable on whole.gpu_id = reliable.gpu_id and whole.state_no = reliable.state_no
    group by whole.gpu_id, whole.provider, whole.purchase_option
),

sold as (
    select
        gpu_id,
        any_value(price_state) as price_state,
        count(distinct provider) as providers,
        sum(offers)::integer as offers,
        min(usd) filter (where purchase_option = 'on_demand') as usd_on_demand,
        median(usd) filter (where purchase_option = 'on_demand') as median_on_demand,
        min(usd) filter (where purchase_option = 'spot') as usd_spot,
        min(usd) filter (where purchase_option = 'reserved') as usd_reserved
    from by_provider
    group by gpu_id
),

-- of equal prices the first by the order of offers.sql: the smallest machine, then the newest look
cheapest as (
    select
        whole.gpu_id, whole.purchase_option,
        arg_min(
            whole.provider, (whole.usd_per_hour, -epoch_us(whole.last_seen_at), whole.provider)
        ) as provider
    from whole
    inner join reliable on whole.gpu_id = reliable.gpu_id and whole.state_no = reliable.state_no
    inner join sold
        on whole.gpu_id = sold.gpu_id
        and whole.usd_per_gpu_hour = if(whole.purchase_option = 'spot', sold.usd_spot, sold.usd_on_demand)
    where whole.purchase_option in ('on_demand', 'spot')
    group by whole.gpu_id, whole.purchase_option
),

until as (
    select coalesce($as_of::timestamptz, (select max(published_at) from snapshot))::date as until_date
),

day as (
    select kept.gpu_id, kept.price_date, kept.chain, kept.price_index, kept.median_usd_per_gpu_hour
    from gpu_index_day as kept
    cross join until
    where
        kept.purchase_option = 'on_demand'
        and kept.segment is null
        and kept.price_date between until.until_date - 364 and until.until_date
),

-- of the newest published day, unless that is a week ago, and the one 30 days before it or up to a week earlier
newest as (
    select day.gpu_id, max(day.price_date) as price_date, arg_max(day.chain, day.price_date) as chain,
        arg_max(day.price_index, day.price_date) as price_index
    from day
    cross join until
    where day.price_index is not null and day.price_date >= until.until_date - 7
    group by day.gpu_id
),

moved as (
    select newest.gpu_id, newest.price_index / arg_max(day.price_index, day.price_date) - 1 as change
    from newest
    inner join day
        on newest.gpu_id = day.gpu_id and newest.chain = day.chain
        and day.price_date between newest.price_date - 37 and newest.price_date - 30
    where day.price_index is not null
    group by newest.gpu_id, newest.price_index
),

weekly as (
    select day.gpu_id, (until.until_date - day.price_date) // 7 as week_no,
        arg_max(day.median_usd_per_gpu_hour, day.price_date) as usd
    from day
    cross join until
    group by day.gpu_id, week_no
),

yearly as (
    select card.gpu_id, list(weekly.usd order by week.range desc) as usd
    from sold as card
    cross join range(0, 52) as week
    left join weekly on card.gpu_id = weekly.gpu_id and week.range = weekly.week_no
    group by card.gpu_id
)

select
    sold.gpu_id,
    gpu.name,
    gpu.vendor,
    gpu.memory_gib,
    gpu.bf16_tflops,
    gpu.is_trainable and not regexp_matches(gpu.name, '^(RTX [2-5]0|GTX|TITAN|Quadro|RTX A[245]|Radeon)')
        as is_for_data_centres,
    sold.price_state,
    sold.providers,
    sold.offers,
    sold.usd_on_demand as usd_per_gpu_hour_on_demand,
    on_demand.provider as provider_on_demand,
    sold.median_on_demand::decimal(18, 6) as median_usd_per_gpu_hour_on_demand,
    sold.usd_spot as usd_per_gpu_hour_spot,
    spot.provider as provider_spot,
    round(1 - sold.usd_spot::double / sold.usd_on_demand::double, 4) as spot_saving,
    sold.usd_reserved as usd_per_gpu_hour_reserved,
    round(moved.change, 4) as index_change_of_30_days,
    (sold.usd_on_demand::double * 1000 / gpu.bf16_tflops)::decimal(18, 6) as usd_per_peak_petaflop_hour,
    (sold.usd_on_demand::double / gpu.memory_gib)::decimal(18, 6) as usd_per_gib_hour,
    yearly.usd as median_usd_per_gpu_hour_of_52_weeks
from sold
inner join gpu on sold.gpu_id = gpu.gpu_id
left join moved on sold.gpu_id = moved.gpu_id
left join yearly on sold.gpu_id = yearly.gpu_id
left join cheapest as on_demand on sold.gpu_id = on_demand.gpu_id and on_demand.purchase_option = 'on_demand'
left join cheapest as spot on sold.gpu_id = spot.gpu_id and spot.purchase_option = 'spot'
order by is_for_data_centres desc, state_rank(sold.price_state), sold.providers desc, sold.offers desc, sold.gpu_id;

-- grain: one row per time step and purchase option at which at least one offer had a price
-- Purchase options are never mixed: a spot price is no price for capacity that stays.
-- parameters: gpu_ids varchar[], providers varchar[], region varchar, tiers varchar[], purchase_options varchar[],
--             min_count double, max_count double, since timestamptz, until timestamptz, every varchar, stat varchar
with chosen as (
    select
        * exclude (valid_to),
        -- open intervals hold until they lapse
        coalesce(valid_to, lapses_at) as valid_to
    from price_history_wanted(
        $gpu_ids::varchar[], $providers::varchar[], $region::varchar, $tiers::varchar[], $purchase_options::varchar[],
        $min_count::double, $max_count::double, $since::timestamptz
    )
    where usd_per_gpu_hour is not null
),

step as (
    select step_at, row_number() over (order by step_at) as step_no
    from (
        select unnest(
            generate_series(
                coalesce($since::timestamptz, (select date_trunc('day', min(valid_from)) from chosen)),
                $until::timestamptz,
                cast($every::varchar as interval)
            )
        ) as step_at
    )
),

-- Steps lie on a grid of hours or days after the first: an interval between two points of it holds at none.
crossing as (
    select chosen.*
    from chosen
    cross join (
        select
            (select epoch_us(min(step_at)) from step) as first_us,
            if(cast($every::varchar as interval) < interval 1 day, 3600000000, 86400000000) as grid_us
    ) as grid
    where
        ceil((epoch_us(chosen.valid_from) - first_us) / grid_us)
        < ceil((epoch_us(chosen.valid_to) - first_us) / grid_us)
),

-- An interval holds at the steps from the first one in it to the last one before its end.
spanned as (
    select
        crossing.provider,
        crossing.purchase_option,
        crossing.usd_per_gpu_hour,
        crossing.last_seen_at,
        crossing.fresh_until,
        first_step.step_no as first_no,
        coalesce(end_step.step_no, (select max(step_no) + 1 from step)) as end_no
    from crossing
    asof inner join step as first_step on crossing.valid_from <= first_step.step_at
    asof left join step as end_step
        on crossing.valid_to <= end_step.step_at
),

held as (
    select
        step.step_at, numbered.provider, numbered.purchase_option, numbered.usd_per_gpu_hour,
        case
            when numbered.last_seen_at >= step.step_at then 'recorded'
            when numbered.fresh_until >= step.step_at then 'fresh'
            else 'stale'
        end as price_state
    from (
        select provider, purchase_option, usd_per_gpu_hour, last_seen_at, fresh_until, unnest(range(first_no, end_no)) as step_no
        from spanned
        where end_no > first_no
    ) as numbered
    inner join step on numbered.step_no = step.step_no
)

select
    step_at,
    purchase_option,
    cast(
        case $stat::varchar when 'min' then min(usd_per_gpu_hour) else median(usd_per_gpu_hour) end
        as decimal(18, 6)
    ) as usd_per_gpu_hour,
    -- of the cheapest; of a median the worst that takes part
    case $stat::varchar
        when 'min' then arg_min(price_state, (usd_per_gpu_hour, state_rank(price_state)))
        else arg_max(price_state, state_rank(price_state))
    end as price_state,
    arg_min(provider, (usd_per_gpu_hour, provider)) as cheapest_provider,
    count(*) as offers,
    count(*) filter (price_state = 'stale') as stale_offers,
    count(distinct provider) as providers
from held
group by step_at, purchase_option
order by step_at, purchase_option;

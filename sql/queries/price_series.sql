-- grain: one row per time step at which at least one offer had a price
-- parameters: gpu_ids varchar[], providers varchar[], region varchar, tiers varchar[], purchase_options varchar[],
--             min_count integer, max_count integer, since timestamptz, until timestamptz, every varchar, stat varchar
with chosen as (
    select history.*
    from price_history as history
    left join region on history.provider = region.provider and history.region = region.region
    where
        ($gpu_ids::varchar[] is null or list_contains($gpu_ids::varchar[], history.gpu_id))
        and ($providers::varchar[] is null or list_contains($providers::varchar[], history.provider))
        and (
            $region::varchar is null
            or lower(history.region) = lower($region::varchar)
            or region.country = upper($region::varchar)
            or region.continent = upper($region::varchar)
        )
        and ($tiers::varchar[] is null or list_contains($tiers::varchar[], history.tier))
        and (
            $purchase_options::varchar[] is null
            or list_contains($purchase_options::varchar[], history.purchase_option)
        )
        and ($min_count::integer is null or history.gpu_count >= $min_count::integer)
        and ($max_count::integer is null or history.gpu_count <= $max_count::integer)
        and history.usd_per_gpu_hour is not null
),

step as (
    select unnest(
        generate_series(
            coalesce($since::timestamptz, (select date_trunc('day', min(valid_from)) from chosen)),
            $until::timestamptz,
            cast($every::varchar as interval)
        )
    ) as step_at
),

held as (
    select step.step_at, chosen.gpu_id, chosen.provider, chosen.usd_per_gpu_hour
    from step
    inner join chosen
        on step.step_at >= chosen.valid_from and (chosen.valid_to is null or step.step_at < chosen.valid_to)
)

select
    step_at,
    cast(
        case $stat::varchar when 'min' then min(usd_per_gpu_hour) else median(usd_per_gpu_hour) end
        as decimal(18, 6)
    ) as usd_per_gpu_hour,
    arg_min(provider, usd_per_gpu_hour) as cheapest_provider,
    count(*) as offers,
    count(distinct provider) as providers
from held
group by step_at
order by step_at;

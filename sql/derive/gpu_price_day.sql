-- grain: one appended row per GPU, purchase option, provider (null: all) and UTC day from one date to before another
-- Parts of a card (gpu_count below 1) set no price of the card.
-- parameters: from_date date, to_date date
insert into gpu_price_day by name
select
    * exclude (quantiles),
    quantiles[1] as p10_usd_per_gpu_hour,
    quantiles[2] as p25_usd_per_gpu_hour,
    quantiles[3] as median_usd_per_gpu_hour,
    quantiles[4] as p75_usd_per_gpu_hour,
    quantiles[5] as p90_usd_per_gpu_hour
from (
    select
        price_date,
        gpu_id,
        purchase_option,
        provider,
        count(*) as offers,
        count(distinct provider) as providers,
        min(usd_per_gpu_hour) as min_usd_per_gpu_hour,
        -- one list of prices in memory, and not one for each quantile
        quantile_disc(usd_per_gpu_hour, [0.1, 0.25, 0.5, 0.75, 0.9]) as quantiles,
        arg_min(provider, (usd_per_gpu_hour, provider)) as cheapest_provider
    from offer_day_wanted(
        null::varchar[], null::varchar[], null::varchar, null::varchar[], null::varchar[], 1, null::integer,
        $from_date::date, $to_date::date
    )
    group by grouping sets ((price_date, gpu_id, purchase_option), (price_date, gpu_id, purchase_option, provider))
)
order by price_date, gpu_id, purchase_option, provider nulls first;

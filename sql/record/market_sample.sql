-- grain: one appended row per GPU, count, region and purchase option of a marketplace run that differs from the last
-- Only the last week is compared with, so that the cost does not grow with the table.
insert into market_sample by name
with known as (
    select
        provider, gpu_label, gpu_count, region, purchase_option,
        arg_max(
            (offers, min_usd_per_gpu_hour, p10_usd_per_gpu_hour, p25_usd_per_gpu_hour, median_usd_per_gpu_hour),
            observed_at
        ) as figures
    from market_sample
    where observed_at > $observed_at::timestamptz - interval 7 day
    group by all
)

select $run_no::integer as run_no, $observed_at::timestamptz as observed_at, fact.*
from fact
left join known
    on
        fact.provider = known.provider and fact.gpu_label = known.gpu_label and fact.gpu_count = known.gpu_count
        and fact.region = known.region and fact.purchase_option = known.purchase_option
where
    known.figures is distinct from (
        fact.offers::integer,
        fact.min_usd_per_gpu_hour::decimal(18, 6),
        fact.p10_usd_per_gpu_hour::decimal(18, 6),
        fact.p25_usd_per_gpu_hour::decimal(18, 6),
        fact.median_usd_per_gpu_hour::decimal(18, 6)
    );

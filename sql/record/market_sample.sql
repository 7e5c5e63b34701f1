-- grain: one appended row per GPU, count, region and purchase option of a marketplace run that differs from the last
-- Only the last week is compared with, so that the cost does not grow with the table.
insert into market_sample by name
select $run_no::integer as run_no, $observed_at::timestamptz as observed_at, fact.*
from fact
where not exists (
    select 1 from (
        select * from market_sample
        where observed_at > $observed_at::timestamptz - interval 7 day
        qualify row_number() over (
            partition by provider, gpu_label, gpu_count, region, purchase_option order by observed_at desc
        ) = 1
    ) as known
    where
        known.provider = fact.provider and known.gpu_label = fact.gpu_label and known.gpu_count = fact.gpu_count
        and known.region = fact.region and known.purchase_option = fact.purchase_option
        and known.offers = fact.offers and known.min_usd_per_gpu_hour = fact.min_usd_per_gpu_hour::decimal(18, 6)
        and known.p10_usd_per_gpu_hour = fact.p10_usd_per_gpu_hour::decimal(18, 6)
        and known.p25_usd_per_gpu_hour = fact.p25_usd_per_gpu_hour::decimal(18, 6)
        and known.median_usd_per_gpu_hour = fact.median_usd_per_gpu_hour::decimal(18, 6)
);

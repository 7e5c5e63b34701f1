-- grain: one appended row per interruption band that differs from the last known
insert into interruption_band by name
select
    $run_no::integer as run_no, $observed_at::timestamptz as observed_at, provider, instance_type, region, low, high
from fact
where not exists (
    select 1 from (
        select * from interruption_band
        qualify row_number() over (partition by provider, instance_type, region order by observed_at desc) = 1
    ) as known
    where
        known.provider = fact.provider and known.instance_type = fact.instance_type
        and known.region = fact.region and known.low = fact.low and known.high = fact.high
);

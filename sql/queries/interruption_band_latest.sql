-- grain: one row per provider, instance type and region: the band of spot interruptions in force at as_of
-- parameters: as_of timestamptz (null: now)
select
    provider, instance_type, region,
    arg_max(low, observed_at) as low, arg_max(high, observed_at) as high, max(observed_at) as observed_at
from interruption_band
where $as_of::timestamptz is null or observed_at <= $as_of::timestamptz
group by provider, instance_type, region
order by provider, instance_type, region;

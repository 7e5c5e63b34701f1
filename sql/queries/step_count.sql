-- grain: one row: how many steps a series of these accelerators takes, from the first day on which one had a price
-- parameters: gpu_ids varchar[], since timestamptz, until timestamptz, every varchar
select
    (epoch($until::timestamptz) - epoch(greatest($since::timestamptz, min(price_date)::timestamptz)))
    / epoch(cast($every::varchar as interval)) as steps
from gpu_price_day
where $gpu_ids::varchar[] is null or gpu_id in (select unnest($gpu_ids::varchar[]));

-- grain: one row per accelerator, UTC day and provider with a price on it, of one purchase option and segment
-- parameters: gpu_ids varchar (parted by commas), purchase_option varchar, segment varchar (null: all)
select
    gpu_id, price_date, provider, offers, matched_offers, log_change, cheapest_usd_per_gpu_hour
from gpu_vote_day
where
    list_contains(string_split($gpu_ids::varchar, ','), gpu_id)
    and purchase_option = $purchase_option::varchar
    and segment is not distinct from $segment::varchar
order by gpu_id, price_date, provider;

-- grain: one row per GPU, purchase option, segment, provider and day with a price, in the order of chaining
select
    gpu_id, purchase_option, segment, price_date, provider, matched_offers, log_change, cheapest_usd_per_gpu_hour
from gpu_vote_day
order by gpu_id, purchase_option, segment nulls first, price_date, provider;

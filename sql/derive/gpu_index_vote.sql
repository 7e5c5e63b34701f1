-- grain: one row per GPU, purchase option, segment, provider and day with a price, in the order of chaining; of the series
-- that are chained anew
select
    vote.gpu_id, vote.purchase_option, vote.segment, vote.price_date, vote.provider, vote.matched_offers,
    vote.log_change, vote.cheapest_usd_per_gpu_hour
from gpu_vote_day as vote
where exists (
    select 1
    from index_changed as changed
    where
        vote.gpu_id = changed.gpu_id and vote.purchase_option = changed.purchase_option
        and vote.segment is not distinct from changed.segment
)
order by vote.gpu_id, vote.purchase_option, vote.segment nulls first, vote.price_date, vote.provider;

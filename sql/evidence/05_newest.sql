-- grain: one row per offer of a dated list whose newest price is news and may still be ranked: its place in the list
-- Of two prices at one time the lower one stands (sql/record/archive_observation.sql), so it is the one that is weighed.
-- parameters: source varchar, started_at timestamptz; reads the list as seen_arrow
select seen.position
from seen_arrow as seen
left join offer_current as current
    on current.source = $source::varchar and seen.offer_id = current.offer_id
where
    seen.observed_at > $started_at::timestamptz - interval 180 day
    and (current.offer_id is null or seen.observed_at >= current.changed_at)
qualify
    row_number() over (
        partition by seen.offer_id order by seen.observed_at desc, seen.amount nulls last, seen.position
    ) = 1
    and seen.amount is not null
order by seen.position;

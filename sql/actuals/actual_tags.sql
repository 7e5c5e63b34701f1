-- grain: one row per quote that charges of a time name in a tag, and one for those that name none
-- parameters: plan varchar, since timestamptz (null: the first), until timestamptz
select
    tag_quote,
    min(started_at) filter (where tag_plan = lower($plan::varchar)) as plan_first_at
from actual_charge
where (started_at >= $since::timestamptz or $since::timestamptz is null) and started_at < $until::timestamptz
group by tag_quote

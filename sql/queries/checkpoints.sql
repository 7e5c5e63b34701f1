-- grain: one row per checkpoint of the logs in a span, the latest first
-- parameters: since timestamptz (null: any), until timestamptz
select distinct checkpoint_at
from price_checkpoint
where ($since::timestamptz is null or checkpoint_at > $since::timestamptz) and checkpoint_at <= $until::timestamptz
order by checkpoint_at desc;

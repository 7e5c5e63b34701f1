-- grain: one row per offer that is not withdrawn, with its best last observation
-- parameters: as_of timestamptz (null: as far as the logs go): of what is dated ahead of the clock nothing is on sale yet. Nor
-- does it confirm anything: about now a price ages.
insert into offer_last_seen
select *
from offers_of_as_of(null::varchar[], $as_of::timestamptz, is_past := false)
order by gpu_id, purchase_option, usd_per_gpu_hour, usd_per_hour, last_seen_at desc, provider, region, offer_id;

-- grain: one row with the time until which something can have been seen, where anything recorded is dated later than
-- that, or a list says that it holds until later; else none
-- parameters: now timestamptz; tolerance interval: what the clocks of machines may differ by, so that a run which was
-- recorded by a clock a little ahead, or by this one before it was set back, is on sale
select latest.seen_at
from (
    select greatest($now::timestamptz, max(observed_at) filter (observed_at <= $now::timestamptz + $tolerance::interval)) as seen_at
    from scrape_run
) as latest
where
    (select max(observed_at) from scrape_run) > latest.seen_at
    or (select greatest(max(observed_at), max(seen_until)) from dated_price) > latest.seen_at

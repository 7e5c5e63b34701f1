-- grain: one row with the time until which something can have been seen, where a list dates anything later than that, or
-- says that it holds until later; else none
-- parameters: now timestamptz
-- A live run happened when it was recorded, whatever this machine's clock says: it may be behind the clock of another, or have
-- been set back. Runs that began ahead of the common clock are refused before they are recorded.
select latest.seen_at
from (
    select greatest($now::timestamptz, max(observed_at)) as seen_at
    from scrape_run
    where source in (select source from source where kind = 'live')
) as latest
where (select greatest(max(observed_at), max(seen_until)) from dated_price) > latest.seen_at

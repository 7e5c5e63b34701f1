-- grain: one row per accepted run of a live source that came later than its target after the one before
-- What such a look changed may have changed long before.
create or replace macro late_looks() as table
select scrape_run.source, scrape_run.observed_at as run_at, scrape_run.before_at
from (
    select source, observed_at, lag(observed_at) over (partition by source order by observed_at) as before_at
    from scrape_run
    where outcome = 'accepted'
) as scrape_run
inner join source on scrape_run.source = source.source
where source.kind = 'live' and scrape_run.observed_at > scrape_run.before_at + to_seconds(source.fresh_for_seconds);

comment on macro table late_looks is 'Looks of live sources that came later than their target after the one before.';

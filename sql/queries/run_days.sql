-- grain: one row per live source and UTC day on which it was read
-- parameters: from_date date
select
    scrape_run.source,
    scrape_run.observed_at::date as run_date,
    count(*)::integer as runs,
    count(*) filter (where scrape_run.outcome = 'accepted')::integer as accepted,
    count(*) filter (where scrape_run.outcome = 'quarantined')::integer as quarantined,
    count(*) filter (where scrape_run.outcome = 'failed')::integer as failed
from scrape_run
inner join source on scrape_run.source = source.source
where source.kind = 'live' and scrape_run.observed_at::date >= $from_date::date
group by scrape_run.source, run_date
order by scrape_run.source, run_date;

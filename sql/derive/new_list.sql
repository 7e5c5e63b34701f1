-- grain: one row, whether a run after the last derived one read a dated list of which dated_price knows nothing
-- parameters: run_no integer
select coalesce(bool_or(source.kind = 'archive'), false) as has_new_list
from scrape_run
inner join source on scrape_run.source = source.source
where
    scrape_run.run_no > $run_no::integer
    and scrape_run.outcome = 'accepted'
    and scrape_run.run_no not in (select run_no from dated_price);

-- grain: one row: what became of one recorded run
-- parameters: run_id varchar
select
    scrape_run.source,
    scrape_run.run_id,
    scrape_run.outcome,
    scrape_run.offer_count as offers,
    scrape_run.change_count as changes,
    (select count(*) from offer where offer.first_run_no = scrape_run.run_no) as new_offers,
    (
        select count(*)
        from price_change
        where price_change.run_no = scrape_run.run_no and price_change.amount is null
    ) as withdrawn,
    (
        select coalesce(map_from_entries(list((skipped_row.reason, skipped_row.row_count))), map())
        from skipped_row
        where skipped_row.run_no = scrape_run.run_no
    ) as skipped,
    scrape_run.error_message as error,
    scrape_run.error_url as url
from scrape_run
where scrape_run.run_id = $run_id;

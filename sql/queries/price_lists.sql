-- grain: one row per dated list that was taken into the ledger and provider in it, with what it covers
-- A list covers its own span and nothing between it and another one. The files of a series of snapshots that came in one
-- import are one list; any other file is a list by itself.
select
    scrape_run.source,
    price_list.provider,
    price_list.kind,
    'archive' as state,
    min(price_list.covers_from) as covers_from,
    max(price_list.covers_until) as covers_until,
    sum(price_list.row_count)::bigint as rows,
    count(*) as files,
    max(scrape_run.started_at) as imported_at
from price_list
inner join scrape_run on price_list.run_no = scrape_run.run_no
group by
    scrape_run.source, price_list.provider, price_list.kind, price_list.run_no,
    if(price_list.kind = 'snapshots', null, price_list.document_place)
order by scrape_run.source, price_list.provider, price_list.kind, covers_from, covers_until, imported_at;

-- grain: one row per archive, provider and kind of list that was taken into the ledger, with what it covers
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
group by all
order by scrape_run.source, price_list.provider, price_list.kind;

-- grain: one row, the chain from one price to the bytes that say so
-- parameters: price_id varchar
select
    offer_latest.price_id, offer_latest.amount, offer_latest.currency, offer_latest.unit, scrape_run.run_id,
    scrape_run.observed_at, document.url, document.sha256, source.confidence, source.licence
from offer_latest
inner join source on offer_latest.source = source.source
left join scrape_run on offer_latest.run_no = scrape_run.run_no
left join document on offer_latest.document_sha256 = document.sha256 and document.run_no = scrape_run.run_no
where offer_latest.price_id = $price_id::varchar;

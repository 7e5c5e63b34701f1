-- grain: one row per change of one offer's price at one time, with its run and its document
-- parameters: source varchar, offer_id varchar, changed_at_us bigint (microseconds since 1970, as in a price_id)
select
    price_change.observed_at as changed_at, price_change.amount, price_change.currency, price_change.unit,
    scrape_run.run_id, scrape_run.started_at, scrape_run.outcome, scrape_run.parser_version,
    document.url, document.sha256, document.body_bytes, document.fetched_at
from price_change
inner join offer on price_change.offer_no = offer.offer_no
left join scrape_run on price_change.run_no = scrape_run.run_no
left join document on price_change.document_no = document.document_no
where
    offer.source = $source
    and offer.offer_id = coalesce((select offer_id from former_offer_id where former_id = $offer_id), $offer_id)
    and epoch_us(price_change.observed_at) = $changed_at_us;

-- grain: one row per price that the log has of a source's offers, from a run on, in its own currency per GPU-hour
-- parameters: source varchar, after_run_no integer
select
    price_change.offer_no,
    price_change.observed_at,
    usd_double(
        price_change.amount::double, price_change.upfront_amount::double, price_change.unit, offer.gpu_count::double,
        coalesce(offer.term_months, 0)::double, 1
    ) / offer.gpu_count::double as price,
    price_change.currency
from price_change
inner join offer on price_change.offer_no = offer.offer_no
where
    price_change.run_no > $after_run_no::integer
    and price_change.amount is not null
    and offer.source = $source::varchar
order by price_change.observed_at, price_change.run_no;

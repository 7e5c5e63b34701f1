-- grain: one row per claimed price of a run, in US dollars per GPU-hour, beside the price that was believed
-- Rates are those that runs before this one brought, so that a replay computes with the same.
-- parameters: source varchar, started_at timestamptz; reads the batch as seen_arrow
create or replace temp table claimed as
with rate as (
    select exchange_rate.currency, arg_max(usd_per_unit, (rate_date, exchange_rate.run_no)) as usd_per_unit
    from exchange_rate
    inner join scrape_run on exchange_rate.run_no = scrape_run.run_no
    where scrape_run.observed_at < $started_at::timestamptz
    group by exchange_rate.currency
    union all
    select 'USD', 1
),

-- what an offer cost before it was withdrawn: an absence resets nothing
withdrawn as (
    select
        offer_no,
        arg_max(
            {'amount': amount, 'upfront_amount': upfront_amount, 'currency': currency, 'unit': unit}, observed_at
        ) as price,
        max(observed_at) as changed_at
    from price_change
    where amount is not null and offer_no in (select offer_no from claim where claim = 'return')
    group by offer_no
),

priced as (
    select
        claim.offer_id,
        claim.position,
        claim.offer_no,
        claim.claim,
        claim.open_amount is not distinct from seen.amount
        and claim.open_upfront_amount is not distinct from seen.upfront_amount
        and claim.open_currency is not distinct from seen.currency
        and claim.open_unit is not distinct from seen.unit as is_as_disputed,
        case
            when claim.claim = 'return' then withdrawn.price
            when claim.offer_no is not null then {
                'amount': current.amount, 'upfront_amount': current.upfront_amount, 'currency': current.currency,
                'unit': current.unit
            }
        end as before_price,
        claim.believed_changed_at,
        seen.amount, seen.upfront_amount, seen.currency, seen.unit,
        coalesce(seen.provider, offer.provider) as provider,
        coalesce(seen.gpu_id, offer.gpu_id, normalised_label(coalesce(seen.gpu_label, offer.gpu_label))) as gpu,
        coalesce(seen.gpu_id, offer.gpu_id) is not null as is_mapped,
        coalesce(seen.purchase_option, offer.purchase_option) as purchase_option,
        coalesce(seen.term_months, offer.term_months, 0)::double as term,
        coalesce(seen.payment, offer.payment, '') as payment,
        lower(coalesce(seen.instance_type, offer.instance_type)) as instance_type,
        lower(coalesce(seen.sku, offer.sku)) as sku,
        lower(coalesce(seen.region, offer.region)) as region,
        coalesce(seen.tier, offer.tier, '') as tier,
        coalesce(seen.gpu_count, offer.gpu_count)::double as gpu_count,
        coalesce(seen.term_months, offer.term_months)::decimal(9, 6) as term_months
    from claim
    left join seen_arrow as seen on claim.position = seen.position
    left join offer on claim.offer_no = offer.offer_no
    left join offer_current as current on claim.offer_no = current.offer_no
    left join withdrawn on claim.offer_no = withdrawn.offer_no
)

select
    priced.* exclude (before_price, amount, upfront_amount, currency, unit),
    if(position is null, null, usd_double(
        amount::double, upfront_amount::double, unit, gpu_count, term, now_rate.usd_per_unit::double
    )) / gpu_count as usd,
    usd_double(
        before_price.amount::double, before_price.upfront_amount::double, before_price.unit, gpu_count, term,
        before_rate.usd_per_unit::double
    ) / gpu_count as believed_usd,
    priced.currency,
    coalesce(priced.before_price.currency <> priced.currency, false) as is_other_currency
from priced
left join rate as now_rate on priced.currency = now_rate.currency
left join rate as before_rate on priced.before_price.currency = before_rate.currency;

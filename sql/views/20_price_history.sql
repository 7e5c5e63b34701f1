-- grain: one row per source, offer and interval in which its price did not change
create or replace view price_history as
with bounded as (
    select
        price_change.*,
        lead(observed_at) over (partition by offer_no order by observed_at) as valid_to
    from price_change
),

usd as (
    select currency, rate_date::timestamp at time zone 'UTC' as rate_at, usd_per_unit from exchange_rate
    union all
    select 'USD', '1900-01-01 00:00:00+00'::timestamptz, 1
)

select
    offer.offer_id,
    offer.source,
    offer.provider,
    offer.via,
    offer.sku,
    offer.instance_type,
    offer.region,
    offer.zone,
    offer.tier,
    offer.gpu_label,
    offer.gpu_id,
    offer.gpu_count,
    offer.purchase_option,
    offer.term_months,
    offer.payment,
    bounded.observed_at as valid_from,
    bounded.valid_to,
    bounded.amount,
    bounded.upfront_amount,
    bounded.currency,
    bounded.unit,
    usd_per_hour_of(
        bounded.amount, bounded.upfront_amount, bounded.unit, offer.gpu_count, offer.term_months, usd.usd_per_unit
    ) as usd_per_hour,
    cast(
        usd_per_hour_of(
            bounded.amount, bounded.upfront_amount, bounded.unit, offer.gpu_count, offer.term_months, usd.usd_per_unit
        ) / offer.gpu_count
        as decimal(18, 6)
    ) as usd_per_gpu_hour,
    bounded.effective_at,
    bounded.run_no,
    bounded.document_no
from bounded
inner join offer on bounded.offer_no = offer.offer_no
asof left join usd on bounded.currency = usd.currency and bounded.observed_at >= usd.rate_at
where bounded.amount is not null;

comment on view price_history is 'One row per source, offer and interval in which its price did not change.';
comment on column price_history.valid_from is 'When the price was first seen.';
comment on column price_history.valid_to is 'When another price or a withdrawal was seen; null: still so when last seen.';

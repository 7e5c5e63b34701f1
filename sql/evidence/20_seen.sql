-- grain: one row per claimed price of a run, in US dollars per GPU-hour, beside the price that was believed
-- Rates are those that runs before this one brought, so that a replay computes with the same. What two offers must have
-- in common to be compared is hashed once, since joins on one number are many times quicker than on five names.
-- parameters: source varchar, started_at timestamptz; reads the claims' rows of the batch as claimed_arrow
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
        ) as price
    from price_change
    where amount is not null and offer_no in (select offer_no from claim where claim = 'return')
    group by offer_no
),

gone as (
    select offer.*
    from offer
    inner join claim on offer.offer_no = claim.offer_no
    where claim.position is null
),

-- a label that no alias explains, but that looks like one of the provider's
unmapped as (
    select distinct provider, gpu_label
    from claimed_arrow
    where gpu_id is null and position in (select position from claim where claim = 'new')
),

lookalike as (
    select unmapped.provider, unmapped.gpu_label, any_value(offer.gpu_id) as gpu_id
    from unmapped
    inner join offer
        on unmapped.provider = offer.provider and drawn_label(unmapped.gpu_label) = drawn_label(offer.gpu_label)
    where offer.gpu_id is not null
    group by unmapped.provider, unmapped.gpu_label
),

priced as (
    select
        claim.claim_no,
        claim.offer_id,
        claim.position,
        claim.offer_no,
        claim.claim,
        claim.believed_changed_at,
        claim.open_amount is not distinct from seen.amount
        and claim.open_upfront_amount is not distinct from seen.upfront_amount
        and claim.open_currency is not distinct from seen.currency
        and claim.open_unit is not distinct from seen.unit as is_as_disputed,
        coalesce(claim.believed_amount, withdrawn.price.amount) as before_amount,
        coalesce(claim.believed_upfront_amount, withdrawn.price.upfront_amount) as before_upfront_amount,
        coalesce(claim.believed_currency, withdrawn.price.currency) as before_currency,
        coalesce(claim.believed_unit, withdrawn.price.unit) as before_unit,
        seen.amount, seen.upfront_amount, seen.currency, seen.unit,
        coalesce(seen.provider, gone.provider) as provider,
        coalesce(seen.via, gone.via) as via,
        coalesce(
            seen.gpu_id, gone.gpu_id, lookalike.gpu_id, normalised_label(coalesce(seen.gpu_label, gone.gpu_label))
        ) as gpu,
        coalesce(seen.gpu_id, gone.gpu_id) is not null as is_mapped,
        coalesce(seen.purchase_option, gone.purchase_option) as purchase_option,
        coalesce(seen.term_months, gone.term_months, 0)::double as term,
        lower(coalesce(seen.instance_type, gone.instance_type)) as instance_type,
        lower(coalesce(seen.sku, gone.sku)) as sku,
        lower(coalesce(seen.region, gone.region)) as region,
        coalesce(seen.tier, gone.tier, '') as tier,
        coalesce(seen.gpu_count, gone.gpu_count)::double as gpu_count
    from claim
    left join claimed_arrow as seen on claim.position = seen.position
    left join gone on claim.offer_no = gone.offer_no
    left join withdrawn on claim.offer_no = withdrawn.offer_no
    left join lookalike on seen.provider = lookalike.provider and seen.gpu_label = lookalike.gpu_label
),

keyed as (
    select *, hash(provider, via, gpu, purchase_option, term) as kin_key from priced
)

select
    keyed.claim_no,
    keyed.offer_id,
    keyed.position,
    keyed.offer_no,
    keyed.claim,
    keyed.believed_changed_at,
    keyed.is_as_disputed,
    keyed.provider,
    keyed.gpu,
    keyed.is_mapped,
    keyed.purchase_option,
    keyed.term,
    keyed.instance_type,
    keyed.sku,
    keyed.region,
    keyed.tier,
    keyed.gpu_count,
    keyed.kin_key,
    hash(keyed.kin_key, keyed.instance_type) as product_key,
    hash(keyed.kin_key, keyed.region, keyed.tier) as place_key,
    if(keyed.term = 0, hash(keyed.gpu, keyed.purchase_option), null) as market_key,
    hash(keyed.provider, keyed.gpu) as list_key,
    hash(hash(keyed.provider, keyed.gpu), keyed.instance_type, keyed.region, keyed.gpu_count) as ways_key,
    if(keyed.position is null, null, usd_double(
        keyed.amount::double, keyed.upfront_amount::double, keyed.unit, keyed.gpu_count, keyed.term,
        now_rate.usd_per_unit::double
    )) / keyed.gpu_count as usd,
    usd_double(
        keyed.before_amount::double, keyed.before_upfront_amount::double, keyed.before_unit, keyed.gpu_count,
        keyed.term, before_rate.usd_per_unit::double
    ) / keyed.gpu_count as believed_usd,
    keyed.currency,
    now_rate.usd_per_unit::double as usd_per_unit,
    coalesce(keyed.before_currency <> keyed.currency, false) as is_other_currency
from keyed
left join rate as now_rate on keyed.currency = now_rate.currency
left join rate as before_rate on keyed.before_currency = before_rate.currency;

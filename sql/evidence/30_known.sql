-- grain: one row per source and offer, the price that the ledger believed of the claimed GPUs before this run
-- What moved by less than a tenth needs no other offer to be judged, but what other sources say of the same.
-- Of other sources only what runs wrote that were complete before this one began: a replay, which takes runs in the order
-- of their names, then knows the same.
-- parameters: source varchar, started_at timestamptz
create or replace temp table known as
with material as (
    select claimed.gpu
    from claimed
    inner join claim on claimed.offer_id = claim.offer_id
    where
        claimed.claim in ('new', 'return')
        or claimed.claim = 'price'
        and (claim.open_state is not null or not coalesce(abs(ln(claimed.usd / claimed.believed_usd)) < 0.1, false))
),

wanted as (
    select
        offer.offer_no, offer.offer_id, offer.source, offer.provider, offer.via, offer.purchase_option,
        offer.term_months, offer.instance_type, offer.region, offer.tier, offer.gpu_count,
        coalesce(offer.gpu_id, normalised_label(offer.gpu_label)) as gpu
    from offer
    where
        coalesce(offer.gpu_id, normalised_label(offer.gpu_label)) in (select gpu from material)
        or offer.source <> $source::varchar
        and offer.offer_id in (select offer_id from claimed where claim <> 'absence')
),

state as (
    select
        current.offer_no, current.amount, current.upfront_amount, current.currency, current.unit, current.changed_at,
        current.source = $source::varchar or run.observed_at < $started_at::timestamptz as is_visible
    from offer_current as current
    inner join wanted on current.offer_no = wanted.offer_no
    left join scrape_run as run on current.run_no = run.run_no
),

former as (
    select
        change.offer_no,
        arg_max(
            {
                'amount': change.amount, 'upfront_amount': change.upfront_amount, 'currency': change.currency,
                'unit': change.unit, 'changed_at': change.observed_at
            },
            change.observed_at
        ) as price
    from price_change as change
    inner join scrape_run as run on change.run_no = run.run_no
    where
        change.offer_no in (select offer_no from state where not is_visible)
        and run.observed_at < $started_at::timestamptz
    group by change.offer_no
),

as_then as (
    select * exclude (is_visible) from state where is_visible
    union all
    select offer_no, price.amount, price.upfront_amount, price.currency, price.unit, price.changed_at from former
),

last_run as (
    select source, max(observed_at) as run_at
    from scrape_run
    where outcome = 'accepted' and observed_at < $started_at::timestamptz
    group by source
),

rate as (
    select exchange_rate.currency, arg_max(usd_per_unit, (rate_date, exchange_rate.run_no)) as usd_per_unit
    from exchange_rate
    inner join scrape_run on exchange_rate.run_no = scrape_run.run_no
    where scrape_run.observed_at < $started_at::timestamptz
    group by exchange_rate.currency
    union all
    select 'USD', 1
),

priced as (
    select
        wanted.offer_id,
        wanted.offer_no,
        wanted.source,
        wanted.source = $source::varchar as is_own,
        source.kind = 'live' and source.confidence = 'direct' as is_direct,
        wanted.provider,
        wanted.purchase_option = 'on_demand' and wanted.term_months is null as is_list,
        hash(
            wanted.provider, wanted.via, wanted.gpu, wanted.purchase_option, coalesce(wanted.term_months, 0)::double
        ) as kin_key,
        hash(wanted.provider, wanted.gpu) as list_key,
        if(wanted.term_months is null, hash(wanted.gpu, wanted.purchase_option), null) as market_key,
        lower(wanted.instance_type) as instance_type,
        lower(wanted.region) as region,
        coalesce(wanted.tier, '') as tier,
        wanted.gpu_count::double as gpu_count,
        as_then.changed_at,
        if(source.kind = 'archive', as_then.changed_at, greatest(as_then.changed_at, last_run.run_at)) as seen_at,
        usd_double(
            as_then.amount::double, as_then.upfront_amount::double, as_then.unit, wanted.gpu_count::double,
            coalesce(wanted.term_months, 0)::double, rate.usd_per_unit::double
        ) / wanted.gpu_count::double as usd
    from as_then
    inner join wanted on as_then.offer_no = wanted.offer_no
    inner join source on wanted.source = source.source
    left join last_run on wanted.source = last_run.source
    inner join rate on as_then.currency = rate.currency
    where as_then.amount is not null
)

select
    * exclude (instance_type, region, tier),
    hash(kin_key, instance_type) as product_key,
    hash(kin_key, region, tier) as place_key,
    hash(list_key, instance_type, region, gpu_count) as ways_key
from priced
where usd is not null;

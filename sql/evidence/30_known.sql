-- grain: one row per source and offer, the price that the ledger believed of the claimed GPUs before this run
-- What moved by less than a tenth needs no other offer to be judged, but what other sources say of the same.
-- Of other sources only what runs wrote that were complete before this one began: a replay, which takes runs in the order
-- of their names, then knows the same. Names are hashed where they are read: all joins after that carry numbers.
-- parameters: source varchar, started_at timestamptz
create or replace temp table known as
with material as (
    select claimed.gpu
    from claimed
    inner join claim on claimed.claim_no = claim.claim_no
    where
        claimed.claim in ('new', 'return')
        or claimed.claim = 'price'
        and (claim.open_state is not null or not coalesce(abs(ln(claimed.usd / claimed.believed_usd)) < 0.1, false))
),

wanted as (
    select *, coalesce(gpu_id, normalised_label(gpu_label)) as gpu
    from offer
    where coalesce(gpu_id, normalised_label(gpu_label)) in (select gpu from material)
    union all
    select *, coalesce(gpu_id, normalised_label(gpu_label)) as gpu
    from offer
    where
        source <> $source::varchar
        and offer_id in (select offer_id from claimed where claim <> 'absence')
        and coalesce(gpu_id, normalised_label(gpu_label)) not in (select gpu from material)
),

keyed as (
    select
        offer_no,
        source,
        source = $source::varchar as is_own,
        if(source = $source::varchar, null, offer_id) as other_offer_id,
        provider,
        purchase_option = 'on_demand' and term_months is null as is_list,
        gpu_count::double as gpu_count,
        coalesce(term_months, 0)::double as term,
        hash(provider, via, gpu, purchase_option, coalesce(term_months, 0)::double) as kin_key,
        hash(provider, gpu) as list_key,
        if(term_months is null, hash(gpu, purchase_option), null) as market_key,
        lower(instance_type) as instance_type,
        lower(region) as region,
        coalesce(tier, '') as tier
    from wanted
),

hashed as (
    select
        * exclude (instance_type, region, tier),
        hash(kin_key, instance_type) as product_key,
        hash(kin_key, region, tier) as place_key,
        hash(list_key, instance_type, region, gpu_count) as ways_key
    from keyed
),

-- offers of other sources whose state is of a run that was not complete then, as they were before
unready as (
    select current.offer_no
    from offer_current as current
    inner join scrape_run as run on current.run_no = run.run_no
    where current.source <> $source::varchar and run.observed_at >= $started_at::timestamptz
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
        change.offer_no in (select offer_no from unready)
        and run.observed_at < $started_at::timestamptz
    group by change.offer_no
),

last_run as (
    select source, max(observed_at) as run_at
    from scrape_run
    where outcome = 'accepted' and observed_at < $started_at::timestamptz
    group by source
),

teller as (
    select
        source.source,
        source.kind = 'archive' as is_archive,
        source.kind = 'live' and source.confidence = 'direct' as is_direct,
        last_run.run_at
    from source
    left join last_run on source.source = last_run.source
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

as_then as (
    select
        hashed.*,
        if(unready.offer_no is null, current.amount, former.price.amount) as amount,
        if(unready.offer_no is null, current.upfront_amount, former.price.upfront_amount) as upfront_amount,
        if(unready.offer_no is null, current.currency, former.price.currency) as currency,
        if(unready.offer_no is null, current.unit, former.price.unit) as unit,
        if(unready.offer_no is null, current.changed_at, former.price.changed_at) as changed_at
    from hashed
    inner join offer_current as current on hashed.offer_no = current.offer_no
    left join unready on hashed.offer_no = unready.offer_no
    left join former on hashed.offer_no = former.offer_no
),

priced as (
    select
        as_then.* exclude (amount, upfront_amount, currency, unit, source, term),
        if(as_then.is_own, null, as_then.source) as source,
        teller.is_direct,
        if(teller.is_archive, as_then.changed_at, greatest(as_then.changed_at, teller.run_at)) as seen_at,
        usd_double(
            as_then.amount::double, as_then.upfront_amount::double, as_then.unit, as_then.gpu_count, as_then.term,
            rate.usd_per_unit::double
        ) / as_then.gpu_count as usd
    from as_then
    inner join teller on as_then.source = teller.source
    inner join rate on as_then.currency = rate.currency
    where as_then.amount is not null
)

select * from priced where usd is not null;

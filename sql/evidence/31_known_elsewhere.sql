-- grain: one row per offer of another source, the price that the ledger believed before this run: of the claimed GPUs, and of
-- the claimed offers themselves
-- Only what runs wrote that were complete before this one began: a replay, which takes runs in the order of their names, then
-- knows the same.
-- parameters: source varchar, started_at timestamptz; reads claimed, material, the GPUs that are asked for, and rate
with wanted as (
    select *
    from offer_key
    where
        source <> $source::varchar
        and (
            gpu in (select gpu from material)
            or offer_id in (select offer_id from claimed where claim <> 'absence')
        )
),

-- offers whose state is of a run that was not complete then, as they were before
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
        source.kind = 'live' and source.confidence = 'direct' as is_direct,
        if(source.kind = 'archive', null, last_run.run_at) as run_at
    from source
    left join last_run on source.source = last_run.source
),

as_then as (
    select
        wanted.*,
        if(unready.offer_no is null, current.amount, former.price.amount) as amount,
        if(unready.offer_no is null, current.upfront_amount, former.price.upfront_amount) as upfront_amount,
        if(unready.offer_no is null, current.currency, former.price.currency) as currency,
        if(unready.offer_no is null, current.unit, former.price.unit) as unit,
        if(unready.offer_no is null, current.changed_at, former.price.changed_at) as changed_at
    from wanted
    inner join offer_current as current on wanted.offer_no = current.offer_no
    left join unready on wanted.offer_no = unready.offer_no
    left join former on wanted.offer_no = former.offer_no
),

priced as (
    select
        as_then.offer_no,
        as_then.source,
        as_then.offer_id as other_offer_id,
        false as is_own,
        as_then.purchase_option = 'on_demand' and as_then.term = 0 as is_list,
        as_then.gpu_count,
        as_then.kin_key,
        as_then.list_key,
        as_then.provider_key,
        as_then.product_key,
        as_then.place_key,
        as_then.ways_key,
        as_then.market_key,
        teller.is_direct,
        as_then.changed_at,
        greatest(as_then.changed_at, teller.run_at) as seen_at,
        usd_double(
            as_then.amount::double, as_then.upfront_amount::double, as_then.unit, as_then.gpu_count, as_then.term,
            rate.usd_per_unit
        ) / as_then.gpu_count as usd
    from as_then
    inner join teller on as_then.source = teller.source
    inner join rate on as_then.currency = rate.currency
    where as_then.amount is not null
)

select * from priced where usd is not null;

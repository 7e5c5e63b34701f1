-- grain: one row per offer of the source, the price that the ledger believed of the claimed GPUs before this run
-- Names are hashed before anything is joined, so that joins carry numbers alone.
-- parameters: source varchar, started_at timestamptz; reads material, the GPUs that are asked for, and rate
with looked as (
    select if(source.kind = 'archive', null, (
        select max(observed_at)
        from scrape_run
        where source = $source::varchar and outcome = 'accepted' and observed_at < $started_at::timestamptz
    )) as run_at
    from source
    where source.source = $source::varchar
),

priced as (
    select
        keyed.offer_no,
        true as is_own,
        keyed.purchase_option = 'on_demand' and keyed.term = 0 as is_list,
        keyed.gpu_count,
        keyed.kin_key,
        keyed.list_key,
        keyed.provider_key,
        keyed.product_key,
        keyed.place_key,
        keyed.ways_key,
        keyed.market_key,
        greatest(current.changed_at, (select run_at from looked)) as seen_at,
        usd_double(
            current.amount::double, current.upfront_amount::double, current.unit, keyed.gpu_count, keyed.term,
            rate.usd_per_unit
        ) / keyed.gpu_count as usd
    from offer_key as keyed
    inner join offer_current as current on keyed.offer_no = current.offer_no
    inner join rate on current.currency = rate.currency
    where
        keyed.source = $source::varchar
        and keyed.gpu in (select gpu from material)
        and current.amount is not null
)

select * from priced where usd is not null;

-- grain: one row per offer that was on sale at a time (null: by the current state), the best observation of it
-- Of several sources that know one offer, the one that saw it last speaks; at equal times a live source goes
-- before an archive. A withdrawal takes part in that choice, so that an old list cannot bring an offer back.
create or replace macro offers_as_of(as_of) as table
with base as (
    -- Reading starts at the last state that was written down before that time.
    select
        coalesce(
            (select max(checkpoint_at) from price_checkpoint where checkpoint_at <= as_of), '-infinity'::timestamptz
        ) as base_at
),

price_at as (
    select offer_no, max(observed_at) as changed_at
    from price_change
    where observed_at > (select base_at from base) and observed_at <= as_of
    group by offer_no
),

changed as (
    select
        price_change.offer_no, price_change.observed_at as changed_at, price_change.amount,
        price_change.upfront_amount, price_change.currency, price_change.unit, price_change.effective_at,
        price_change.run_no, price_change.document_no
    from price_change
    inner join price_at
        on price_change.offer_no = price_at.offer_no and price_change.observed_at = price_at.changed_at
    where price_change.observed_at > (select base_at from base) and price_change.observed_at <= as_of
),

stock_at as (
    select
        offer_no,
        max(observed_at) as stock_changed_at,
        arg_max(availability, observed_at) as availability
    from stock_change
    where observed_at > (select base_at from base) and observed_at <= as_of
    group by offer_no
),

kept as (
    select * from price_checkpoint where checkpoint_at = (select base_at from base)
),

-- What dated lists said at that time: of the rows before it the one that its list has in force the longest, else the
-- last. A full snapshot that lacks an offer withdraws it.
dated as (
    select
        offer_no,
        arg_max(dated_price, (least(seen_until, coalesce(as_of, 'infinity'::timestamptz)), observed_at)) as said
    from dated_price
    where as_of is null or observed_at <= as_of
    group by offer_no
),

state as (
    select
        offer_no, changed_at, amount, upfront_amount, currency, unit, effective_at, run_no, document_no,
        availability, stock_changed_at
    from offer_current
    where as_of is null and offer_no not in (select offer_no from dated)
    union all
    select
        offer_no,
        if(said.gone_at <= coalesce(as_of, 'infinity'::timestamptz), said.gone_at, said.observed_at),
        if(said.gone_at <= coalesce(as_of, 'infinity'::timestamptz), null, said.amount),
        said.upfront_amount, said.currency, said.unit, said.effective_at, said.run_no, said.document_no, 'unknown',
        said.observed_at
    from dated
    union all
    select
        offer_no,
        coalesce(changed.changed_at, kept.changed_at),
        if(changed.changed_at is null, kept.amount, changed.amount),
        if(changed.changed_at is null, kept.upfront_amount, changed.upfront_amount),
        if(changed.changed_at is null, kept.currency, changed.currency),
        if(changed.changed_at is null, kept.unit, changed.unit),
        if(changed.changed_at is null, kept.effective_at, changed.effective_at),
        coalesce(changed.run_no, kept.run_no),
        if(changed.changed_at is null, kept.document_no, changed.document_no),
        coalesce(stock_at.availability, kept.availability, 'unknown'),
        coalesce(stock_at.stock_changed_at, kept.stock_changed_at, changed.changed_at, kept.changed_at)
    from changed
    full join kept using (offer_no)
    left join stock_at using (offer_no)
    where as_of is not null and offer_no not in (select offer_no from dated)
),

accepted_run as (
    select source, observed_at as run_at
    from scrape_run
    where outcome = 'accepted' and (as_of is null or observed_at <= as_of)
),

last_run as (
    select source, max(run_at) as run_at from accepted_run group by source
),

-- The first look after that time confirms what it still shows, at the same price.
next_run as (
    select source, min(observed_at) as run_at, arg_min(run_no, observed_at) as run_no
    from scrape_run
    where outcome = 'accepted' and observed_at > as_of
    group by source
),

otherwise_then as (
    select offer_no from price_change
    where observed_at > as_of and run_no in (select run_no from next_run)
    union
    select offer_no from stock_change
    where observed_at > as_of and availability = 'unlisted' and run_no in (select run_no from next_run)
),

-- One run without the offer: it was last seen by the run before that one.
before_absence as (
    select absent.offer_no, accepted_run.run_at
    from (
        select state.offer_no, offer.source, state.stock_changed_at - interval 1 microsecond as seen_limit_at
        from state
        inner join offer on state.offer_no = offer.offer_no
        where state.availability = 'unlisted'
    ) as absent
    asof inner join accepted_run on absent.source = accepted_run.source and absent.seen_limit_at >= accepted_run.run_at
),

seen as not materialized (
    select
        state.*,
        offer.* exclude (offer_no),
        source.kind as source_kind,
        if(
            source.kind = 'archive',
            list_target(live_source.fresh_for_seconds, reseller.fresh_for_seconds),
            source.fresh_for_seconds
        ) as fresh_for_seconds,
        if(source.kind = 'archive', live_source.source, offer.source) as check_source,
        coalesce(
            if(
                source.kind = 'archive',
                -- a list in force, or a later look at the same price
                as_of > dated.said.observed_at
                and (dated.said.seen_until >= as_of or dated.said.same_until >= as_of),
                next_run.run_at is not null and otherwise_then.offer_no is null
            ),
            false
        ) as is_recorded,
        case
            when source.kind = 'archive' and state.amount is not null
                then greatest(state.changed_at, least(dated.said.seen_until, coalesce(as_of, 'infinity'::timestamptz)))
            when source.kind = 'archive' or state.amount is null then state.changed_at
            when disputed.believed_seen_at is not null then greatest(state.changed_at, disputed.believed_seen_at)
            when state.availability = 'unlisted' then greatest(state.changed_at, before_absence.run_at)
            else greatest(state.changed_at, last_run.run_at)
        end as last_seen_at,
        disputed.offer_id is not null as is_disputed,
        disputed.usd_per_gpu_hour as disputed_usd_per_gpu_hour,
        disputed.evidence as dispute
    from state
    inner join offer on state.offer_no = offer.offer_no
    inner join source on offer.source = source.source
    left join dated on state.offer_no = dated.offer_no
    left join live_source on offer.provider = live_source.provider
    left join live_source as reseller on offer.via = reseller.provider
    left join last_run on offer.source = last_run.source
    left join next_run on offer.source = next_run.source
    left join otherwise_then on state.offer_no = otherwise_then.offer_no
    left join before_absence on state.offer_no = before_absence.offer_no
    left join disputed_as_of(as_of) as disputed
        on offer.source = disputed.source and offer.offer_id = disputed.offer_id
),

-- Most offers have one source; only the others are ranked.
doubled as (
    select offer_id from offer group by offer_id having count(*) > 1
),

outspoken as (
    select offer_no
    from seen
    where offer_id in (select offer_id from doubled)
    qualify row_number() over (
        partition by offer_id order by is_recorded desc, last_seen_at desc, source_kind = 'live' desc, source
    ) > 1
),

priced as (
    select
        seen.* exclude (gpu_memory_gib),
        coalesce(gpu.memory_gib::decimal(12, 4), seen.gpu_memory_gib) as gpu_memory_gib,
        gpu.name as gpu_name,
        gpu.vendor as gpu_vendor,
        gpu.form_factor,
        region.country,
        region.continent,
        usd.usd_per_unit,
        usd_per_hour_of(
            seen.amount, seen.upfront_amount, seen.unit, seen.gpu_count, seen.term_months, usd.usd_per_unit
        ) as usd_per_hour
    from seen
    left join gpu on seen.gpu_id = gpu.gpu_id
    left join region on seen.provider = region.provider and seen.region = region.region
    left join usd_rate(as_of) as usd on seen.currency = usd.currency
    where seen.amount is not null and seen.offer_no not in (select offer_no from outspoken)
)

select
    priced.source || ':' || priced.offer_id || ':' || epoch_us(priced.changed_at) as price_id,
    priced.offer_id,
    priced.source,
    priced.source_kind,
    priced.provider,
    priced.via,
    priced.sku,
    priced.instance_type,
    priced.region,
    priced.zone,
    priced.country,
    priced.continent,
    priced.tier,
    priced.gpu_label,
    priced.gpu_id,
    priced.gpu_name,
    priced.gpu_vendor,
    priced.form_factor,
    priced.gpu_count,
    priced.gpu_memory_gib,
    priced.vcpus,
    priced.memory_gib,
    priced.local_storage_gb,
    priced.network,
    priced.min_gpus,
    priced.max_gpus,
    priced.billing_increment_seconds,
    priced.minimum_billing_seconds,
    priced.purchase_option,
    priced.term_months,
    priced.payment,
    priced.operating_system,
    case priced.availability when 'unlisted' then 'unknown' else priced.availability end as availability,
    priced.availability = 'unlisted' as is_unlisted,
    priced.is_recorded,
    priced.amount,
    priced.upfront_amount,
    priced.currency,
    priced.unit,
    priced.usd_per_unit,
    cast(priced.upfront_amount * priced.usd_per_unit as decimal(18, 6)) as upfront_usd,
    priced.usd_per_hour,
    cast(priced.usd_per_hour / priced.gpu_count as decimal(18, 6)) as usd_per_gpu_hour,
    priced.effective_at,
    priced.changed_at as valid_from,
    priced.last_seen_at,
    priced.last_seen_at + to_seconds(priced.fresh_for_seconds) as fresh_until,
    priced.check_source,
    priced.last_seen_at + price_horizon(priced.purchase_option, priced.tier, priced.provider) as lapses_at,
    priced.is_disputed,
    priced.disputed_usd_per_gpu_hour,
    priced.dispute,
    priced.run_no,
    document.sha256 as document_sha256,
    document.url as source_url,
    scrape_run.parser_version
from priced
left join document on priced.document_no = document.document_no
left join scrape_run on priced.run_no = scrape_run.run_no;

-- grain: one row per source, offer and interval in which its price did not change, of the offers wanted (see offer_wanted)
-- An interval ends with another price, with a withdrawal, or when it lapses: see docs/validity.md.
-- since_at, null or a time: intervals that ended before it may be missing, and one of a dated list that began before it
-- may begin late. Reading then starts at the last state that was written down before that time.
-- last_at, null or a time: intervals that begin after it may be missing, and the end of what lasts until then is not told.
create or replace macro price_history_wanted(
    gpu_ids, providers, place, tiers, purchase_options, min_count, max_count, since_at, last_at := null::timestamptz
) as table
with wanted as (
    select * from offer_by_any_name(gpu_ids, providers, place, tiers, purchase_options, min_count, max_count)
),

base as (
    select
        coalesce(
            (select max(checkpoint_at) from price_checkpoint where checkpoint_at <= since_at), '-infinity'::timestamptz
        ) as base_at
),

-- What a live source logged: one row per change.
logged as (
    select offer_no, observed_at, amount, upfront_amount, currency, unit, effective_at, run_no, document_no
    from price_change
    where
        -- said twice, so that planning drops the comparison where no time is given: it costs a fifth
        (since_at is null or observed_at > (select base_at from base))
        and (last_at is null or observed_at <= last_at)
        and offer_no in (select offer_no from wanted where kind <> 'archive')
    union all
    -- until when a name was seen decides what ends another's price, so the whole of such is read
    select offer_no, observed_at, amount, upfront_amount, currency, unit, effective_at, run_no, document_no
    from price_change
    where
        observed_at > last_at
        and offer_no in (
            select offer_no from wanted where kind <> 'archive' and offer_no in (select other_no from renamed_offer)
        )
    union all
    select offer_no, changed_at, amount, upfront_amount, currency, unit, effective_at, run_no, document_no
    from price_checkpoint
    where
        checkpoint_at = (select base_at from base)
        and offer_no in (select offer_no from wanted where kind <> 'archive')
),

last_run as (
    select source, max(observed_at) as run_at from scrape_run where outcome = 'accepted' group by source
),

late_run as (
    select * from late_looks()
),

live as (
    select
        changed.*,
        case
            when changed.next_at is null then greatest(changed.observed_at, last_run.run_at)
            else greatest(changed.observed_at, coalesce(late_run.before_at, changed.next_at))
        end as last_seen_at
    from (
        select logged.*, lead(observed_at) over (partition by offer_no order by observed_at) as next_at
        from logged
    ) as changed
    inner join wanted on changed.offer_no = wanted.offer_no
    left join last_run on wanted.source = last_run.source
    left join late_run on wanted.source = late_run.source and changed.next_at = late_run.run_at
),

-- Which row of an offer in dated lists speaks from when until when, as offers_as_of chooses: the latest that its list has in
-- force or that was seen again, else what was seen last. So a single other sight inside a change list holds for a moment only.
sight as (
    select *, greatest(seen_until, same_until) as holds_until
    from dated_price
    where offer_no in (select offer_no from wanted where kind = 'archive')
),

-- After a row holds no longer, and before the next: what an earlier row still has in force. Few rows reach beyond their next.
resumed as (
    select
        earlier.* exclude (next_at),
        sight.observed_at as after_at,
        greatest(
            sight.holds_until,
            coalesce(
                max(earlier.holds_until) over (
                    partition by sight.offer_no, sight.observed_at
                    order by earlier.observed_at desc rows between unbounded preceding and 1 preceding
                ),
                '-infinity'::timestamptz
            )
        ) as from_at,
        -- the longest of them was seen last, and goes on until the next row
        if(
            earlier.holds_until
            = max(earlier.holds_until) over (partition by sight.offer_no, sight.observed_at),
            coalesce(sight.next_at, 'infinity'::timestamptz),
            least(earlier.holds_until, coalesce(sight.next_at, 'infinity'::timestamptz))
        ) as until_at
    from sight
    inner join sight as earlier
        on sight.offer_no = earlier.offer_no
        and earlier.observed_at < sight.observed_at
        and earlier.holds_until > earlier.next_at
        and earlier.holds_until > sight.holds_until
    where sight.next_at is null or sight.holds_until < sight.next_at
),

spell as (
    select * exclude (after_at)
    from resumed
    where from_at < until_at and holds_until > from_at
    union all by name
    select
        sight.* exclude (next_at),
        sight.observed_at as from_at,
        if(
            interrupted.offer_no is null,
            coalesce(sight.next_at, 'infinity'::timestamptz),
            sight.holds_until
        ) as until_at
    from sight
    left join (select distinct offer_no, after_at from resumed) as interrupted
        on sight.offer_no = interrupted.offer_no and sight.observed_at = interrupted.after_at
    where interrupted.offer_no is null or sight.holds_until > sight.observed_at
),

-- Dated lists repeat a price that did not change; an interval goes from its first row to the next other one.
listed as (
    select
        *,
        sum(is_first::integer) over (partition by offer_no order by from_at rows unbounded preceding) as step_no
    from (
        select
            *,
            coalesce(
                lag(amount) over by_time is distinct from amount
                or lag(upfront_amount) over by_time is distinct from upfront_amount
                or lag(currency) over by_time is distinct from currency
                or lag(unit) over by_time is distinct from unit
                or lag(gone_at) over by_time <= from_at,
                false
            ) as is_first
        from spell
        window by_time as (partition by offer_no order by from_at)
    )
),

dated as (
    select
        offer_no, min(from_at) as from_at, arg_min(observed_at, from_at) as observed_at, arg_min(amount, from_at) as amount,
        arg_min(upfront_amount, from_at) as upfront_amount, arg_min(currency, from_at) as currency,
        arg_min(unit, from_at) as unit, arg_min(effective_at, from_at) as effective_at,
        arg_min(run_no, from_at) as run_no, arg_min(document_no, from_at) as document_no,
        nullif(max(until_at), 'infinity'::timestamptz) as next_at,
        max(seen_until) as last_seen_at,
        max(gone_at) filter (where gone_at < until_at) as gone_at
    from listed
    group by offer_no, step_no
),

bounded as (
    select
        offer_no, observed_at as from_at, observed_at, amount, upfront_amount, currency, unit, effective_at, run_no,
        document_no, next_at, last_seen_at
    from live
    union all
    select
        offer_no, from_at, observed_at, amount, upfront_amount, currency, unit, effective_at, run_no, document_no,
        least(next_at, gone_at), least(last_seen_at, coalesce(next_at, 'infinity'))
    from dated
),

-- From when until when a name of a thing was seen; the sight of its end is one too.
sight_of_name as (
    select
        seen.offer_no, wanted.kind, wanted.source, wanted.offer_id, seen.from_at, seen.until_at
    from (
        select offer_no, from_at, if(amount is null, from_at, last_seen_at) as until_at from bounded
        union all
        select offer_no, gone_at, gone_at from dated where gone_at is not null
    ) as seen
    inner join wanted on seen.offer_no = wanted.offer_no
    where seen.offer_no in (select other_no from renamed_offer)
),

-- A price that nobody confirmed ends where the same thing is seen by another name, as offers_as_of chooses.
replaced as (
    select
        bounded.offer_no, bounded.from_at,
        min(greatest(other.from_at, bounded.last_seen_at + tolerance)) as replaced_at,
        arg_min(other.offer_id, (greatest(other.from_at, bounded.last_seen_at + tolerance), other.offer_id)) as replaced_by
    from (
        select
            bounded.offer_no, bounded.from_at, bounded.last_seen_at, bounded.next_at, wanted.kind, wanted.source,
            to_seconds(if(wanted.kind = 'live', wanted.fresh_for_seconds, 0)) as tolerance
        from bounded
        inner join wanted on bounded.offer_no = wanted.offer_no
        where bounded.offer_no in (select offer_no from renamed_offer) and bounded.amount is not null
    ) as bounded
    inner join renamed_offer on bounded.offer_no = renamed_offer.offer_no
    inner join sight_of_name as other on renamed_offer.other_no = other.offer_no
    where
        yields_to(
            bounded.last_seen_at, bounded.kind, bounded.source, bounded.tolerance,
            other.until_at, other.kind, other.source
        )
        and (bounded.next_at is null or greatest(other.from_at, bounded.last_seen_at + tolerance) < bounded.next_at)
    group by bounded.offer_no, bounded.from_at
),

spoken as (
    select
        bounded.* replace (least(bounded.next_at, replaced.replaced_at) as next_at),
        replaced.replaced_by
    from bounded
    left join replaced on bounded.offer_no = replaced.offer_no and bounded.from_at = replaced.from_at
    where replaced.replaced_at is null or replaced.replaced_at > bounded.from_at
),

-- Finding the day's rate means sorting; prices in dollars, nearly all, go past it.
rated as (
    select *, 1::decimal(18, 9) as usd_per_unit
    from spoken
    where currency = 'USD'
    union all
    select bounded.*, rate.usd_per_unit
    from spoken as bounded
    asof left join (
        select currency, rate_date::timestamp at time zone 'UTC' as rate_at, usd_per_unit from exchange_rate_day
    ) as rate
        on bounded.currency = rate.currency and bounded.from_at >= rate.rate_at
    where bounded.currency <> 'USD'
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
    offer.confidence,
    rated.from_at as valid_from,
    -- what nobody confirmed ends when it lapses; open is what had not lapsed at the last run of any source
    case
        when rated.next_at <= rated.last_seen_at + price_horizon(offer.purchase_option, offer.tier, offer.provider)
            then rated.next_at
        when rated.next_at is null
            and rated.last_seen_at + price_horizon(offer.purchase_option, offer.tier, offer.provider)
            >= (select max(observed_at) from scrape_run)
            then null
        else rated.last_seen_at + price_horizon(offer.purchase_option, offer.tier, offer.provider)
    end as valid_to,
    rated.last_seen_at,
    rated.last_seen_at + price_horizon(offer.purchase_option, offer.tier, offer.provider) as lapses_at,
    rated.last_seen_at + to_seconds(
        if(
            offer.kind = 'archive',
            list_target(live_source.fresh_for_seconds, reseller.fresh_for_seconds),
            offer.fresh_for_seconds
        )
    ) as fresh_until,
    rated.amount,
    rated.upfront_amount,
    rated.currency,
    rated.unit,
    usd_per_hour_of(
        rated.amount, rated.upfront_amount, rated.unit, offer.gpu_count, offer.term_months, rated.usd_per_unit
    ) as usd_per_hour,
    cast(
        usd_per_hour_of(
            rated.amount, rated.upfront_amount, rated.unit, offer.gpu_count, offer.term_months, rated.usd_per_unit
        ) / offer.gpu_count
        as decimal(18, 6)
    ) as usd_per_gpu_hour,
    rated.effective_at,
    rated.observed_at,
    if(
        rated.next_at <= rated.last_seen_at + price_horizon(offer.purchase_option, offer.tier, offer.provider),
        rated.replaced_by,
        null
    ) as replaced_by,
    rated.run_no,
    rated.document_no
from rated
inner join wanted as offer on rated.offer_no = offer.offer_no
left join live_source on offer.provider = live_source.provider
left join live_source as reseller on offer.via = reseller.provider
where rated.amount is not null and offer.is_chosen;

comment on macro table price_history_wanted is
    'Rows of price_history of the offers that offer_wanted chooses, and from about since_at on (null: all).';

create or replace macro price_history_of(gpu_ids) as table
select *
from price_history_wanted(
    gpu_ids, null::varchar[], null::varchar, null::varchar[], null::varchar[], null::integer, null::integer,
    null::timestamptz
);

comment on macro table price_history_of is
    'Rows of price_history for a list of gpu_id, much quicker than a filter on the view; null: all.';

create or replace view price_history as
select * from price_history_of(null::varchar[]);

comment on view price_history is 'One row per source, offer and interval in which its price did not change.';
comment on column price_history.offer_id is 'Hash of the stable terms; equal for one offer read by several sources.';
comment on column price_history.source is 'Source that saw it; see confidence.';
comment on column price_history.provider is 'Cloud that runs the machine.';
comment on column price_history.via is 'Aggregator that resells it, if any.';
comment on column price_history.sku is 'Product code of the provider.';
comment on column price_history.instance_type is 'Machine shape as the provider names it.';
comment on column price_history.region is 'Region code of the provider, or global.';
comment on column price_history.zone is 'Zone inside the region, if priced apart.';
comment on column price_history.tier is 'secure or community where a provider tells them apart.';
comment on column price_history.gpu_label is 'Words of the provider for the accelerator, verbatim.';
comment on column price_history.gpu_id is 'Accelerator that the label means; null while unmapped.';
comment on column price_history.gpu_count is 'Accelerators in one instance; a fraction for slices.';
comment on column price_history.purchase_option is 'on_demand, spot, reserved or capacity_block.';
comment on column price_history.term_months is 'Length of the commitment in months of 730 hours.';
comment on column price_history.payment is 'no_upfront, partial_upfront or all_upfront where there is a choice.';
comment on column price_history.confidence is
    'direct, observed, reported, curated or derived: who saw the price, see source.confidence.';
comment on column price_history.valid_from is 'When the price was first seen, or from when a list''s price held on after another one did.';
comment on column price_history.valid_to is
    'When another price or a withdrawal was seen, or the price lapsed; null: none of it until the last run.';
comment on column price_history.last_seen_at is 'When it was last seen, or until when its list has it in force.';
comment on column price_history.lapses_at is 'Until when it may hold without being seen again.';
comment on column price_history.fresh_until is 'Until when it counts as fresh after it was last seen.';
comment on column price_history.amount is 'Price as published, per unit.';
comment on column price_history.upfront_amount is 'Paid once at the start of a commitment, as published.';
comment on column price_history.currency is 'ISO 4217 code of both amounts.';
comment on column price_history.unit is 'hour, gpu_hour, month or term: what amount buys.';
comment on column price_history.usd_per_hour is
    'US dollars for the whole instance and hour at the day rate of valid_from, an upfront payment spread over the term.';
comment on column price_history.usd_per_gpu_hour is 'The same for one accelerator.';
comment on column price_history.effective_at is 'From when the provider says that the price holds.';
comment on column price_history.observed_at is
    'When the row that says so was observed: valid_from, or earlier where a list''s price holds on after another one did.';
comment on column price_history.replaced_by is
    'Offer of another list that is the same thing by another name, whose later sight ended this price; null: none.';
comment on column price_history.run_no is 'Run that saw it; see scrape_run.';
comment on column price_history.document_no is 'Document that says so; see document.';

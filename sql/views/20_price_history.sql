-- grain: one row per source, offer and interval in which its price did not change, of the offers wanted (see offer_wanted)
-- since_at, null or a time: intervals that ended before it may be missing, and one of a dated list that began before it
-- may begin late. Reading then starts at the last state that was written down before that time.
create or replace macro price_history_wanted(gpu_ids, providers, place, tiers, purchase_options, min_count, max_count, since_at) as table
with wanted as (
    select * from offer_wanted(gpu_ids, providers, place, tiers, purchase_options, min_count, max_count)
),

base as (
    select
        coalesce(
            (select max(checkpoint_at) from price_checkpoint where checkpoint_at <= since_at), '-infinity'::timestamptz
        ) as base_at
),

-- Dated lists repeat a price that did not change; the log of a live source never does.
stepped as (
    select offer_no, observed_at, amount, upfront_amount, currency, unit, effective_at, run_no, document_no
    from price_change
    where
        -- said twice, so that planning drops the comparison where no time is given: it costs a fifth
        (since_at is null or observed_at > (select base_at from base))
        and offer_no in (select offer_no from wanted where kind <> 'archive')
    union all
    select offer_no, changed_at, amount, upfront_amount, currency, unit, effective_at, run_no, document_no
    from price_checkpoint
    where
        checkpoint_at = (select base_at from base)
        and offer_no in (select offer_no from wanted where kind <> 'archive')
    union all
    select *
    from (
        select offer_no, observed_at, amount, upfront_amount, currency, unit, effective_at, run_no, document_no
        from price_change
        where since_at is null or observed_at > (select base_at from base)
        union all
        select offer_no, changed_at, amount, upfront_amount, currency, unit, effective_at, run_no, document_no
        from price_checkpoint
        where checkpoint_at = (select base_at from base)
    )
    where offer_no in (select offer_no from wanted where kind = 'archive')
    window by_time as (partition by offer_no order by observed_at)
    qualify
        lag(offer_no) over by_time is null
        or amount is distinct from lag(amount) over by_time
        or upfront_amount is distinct from lag(upfront_amount) over by_time
        or currency is distinct from lag(currency) over by_time
        or unit is distinct from lag(unit) over by_time
),

bounded as (
    select
        *,
        lead(observed_at) over (partition by offer_no order by observed_at) as valid_to
    from stepped
),

-- Finding the day's rate means sorting; prices in dollars, nearly all, go past it.
rated as (
    select *, 1::decimal(18, 9) as usd_per_unit
    from bounded
    where currency = 'USD'
    union all
    select bounded.*, rate.usd_per_unit
    from bounded
    asof left join (
        select currency, rate_date::timestamp at time zone 'UTC' as rate_at, usd_per_unit from exchange_rate
    ) as rate
        on bounded.currency = rate.currency and bounded.observed_at >= rate.rate_at
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
    rated.observed_at as valid_from,
    rated.valid_to,
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
    rated.run_no,
    rated.document_no
from rated
inner join wanted as offer on rated.offer_no = offer.offer_no
where rated.amount is not null;

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
comment on column price_history.valid_from is 'When the price was first seen.';
comment on column price_history.valid_to is
    'When another price or a withdrawal was seen; null: still so when last seen.';
comment on column price_history.amount is 'Price as published, per unit.';
comment on column price_history.upfront_amount is 'Paid once at the start of a commitment, as published.';
comment on column price_history.currency is 'ISO 4217 code of both amounts.';
comment on column price_history.unit is 'hour, gpu_hour, month or term: what amount buys.';
comment on column price_history.usd_per_hour is
    'US dollars for the whole instance and hour at the day rate of valid_from, an upfront payment spread over the term.';
comment on column price_history.usd_per_gpu_hour is 'The same for one accelerator.';
comment on column price_history.effective_at is 'From when the provider says that the price holds.';
comment on column price_history.run_no is 'Run that saw it; see scrape_run.';
comment on column price_history.document_no is 'Document that says so; see document.';

-- grain: one row per source, offer and UTC day at whose end its price was in force
-- An open interval reaches to the last run of its source.
create or replace macro price_daily_of(gpu_ids) as table
with last_run as (
    select source, max(observed_at) as run_at
    from scrape_run
    where outcome = 'accepted'
    group by source
),

held as (
    select
        history.* exclude (valid_from, valid_to, last_seen_at, lapses_at, fresh_until, run_no, document_no, effective_at),
        history.valid_from::date as from_date,
        coalesce(history.valid_to, least(history.lapses_at, last_run.run_at))::date as to_date
    from price_history_of(gpu_ids) as history
    left join last_run on history.source = last_run.source
)

select
    unnest(range(from_date::timestamp, to_date::timestamp, interval 1 day))::date as price_date,
    offer_id, source, confidence, provider, via, sku, instance_type, region, zone, tier, gpu_id, gpu_count,
    purchase_option, term_months, payment, usd_per_hour, usd_per_gpu_hour
from held
where to_date > from_date;

comment on macro table price_daily_of is 'Rows of price_daily for a list of gpu_id; null: all.';

create or replace view price_daily as
select * from price_daily_of(null::varchar[]);

comment on view price_daily is 'One row per source, offer and UTC day at whose end its price was in force.';
comment on column price_daily.price_date is 'The day.';
comment on column price_daily.offer_id is 'Identity of the offer.';
comment on column price_daily.source is 'Source that saw it.';
comment on column price_daily.confidence is 'Who saw the price, see source.confidence.';
comment on column price_daily.provider is 'Cloud that runs the machine.';
comment on column price_daily.via is 'Aggregator that resells it, if any.';
comment on column price_daily.sku is 'Product code of the provider.';
comment on column price_daily.instance_type is 'Machine shape as the provider names it.';
comment on column price_daily.region is 'Region code of the provider, or global.';
comment on column price_daily.zone is 'Zone inside the region, if priced apart.';
comment on column price_daily.tier is 'secure or community where a provider tells them apart.';
comment on column price_daily.gpu_id is 'The accelerator; null while unmapped.';
comment on column price_daily.gpu_count is 'Accelerators in one instance.';
comment on column price_daily.purchase_option is 'on_demand, spot, reserved or capacity_block.';
comment on column price_daily.term_months is 'Length of the commitment in months of 730 hours.';
comment on column price_daily.payment is 'no_upfront, partial_upfront or all_upfront where there is a choice.';
comment on column price_daily.usd_per_hour is 'US dollars for the whole instance and hour.';
comment on column price_daily.usd_per_gpu_hour is 'US dollars for one accelerator and hour.';

-- grain: one row per source that was ever run: what its data can be trusted for
create or replace view data_quality as
with run as (
    select
        source,
        count(*) as runs,
        count(*) filter (outcome = 'accepted') as accepted_runs,
        count(*) filter (outcome = 'quarantined') as quarantined_runs,
        count(*) filter (outcome = 'failed') as failed_runs,
        sum(skipped_count) as skipped_rows,
        sum(offer_count) filter (outcome = 'accepted') as accepted_rows,
        min(observed_at) as first_run_at,
        max(observed_at) as last_run_at
    from scrape_run
    group by source
),

gap as (
    select source, max(epoch(observed_at - before_at) / 3600) as longest_gap_hours
    from (
        select source, observed_at, lag(observed_at) over (partition by source order by observed_at) as before_at
        from scrape_run
        where outcome = 'accepted'
    )
    group by source
),

known as (
    select
        offer.source,
        count(*) as offers,
        count(*) filter (offer.gpu_id is null) as unmapped_offers,
        count(*) filter (offer_current.amount is null) as withdrawn_offers,
        count(*) filter (
            offer_current.currency <> 'USD' and offer_current.currency not in (select currency from exchange_rate)
        ) as offers_without_rate
    from offer
    inner join offer_current on offer.offer_no = offer_current.offer_no
    group by offer.source
)

select
    run.source,
    source.confidence,
    run.runs,
    run.accepted_runs,
    run.quarantined_runs,
    run.failed_runs,
    coalesce(run.accepted_rows, 0)::bigint as accepted_rows,
    run.skipped_rows::bigint as skipped_rows,
    coalesce(known.offers, 0) as offers,
    coalesce(known.unmapped_offers, 0) as unmapped_offers,
    coalesce(known.withdrawn_offers, 0) as withdrawn_offers,
    coalesce(known.offers_without_rate, 0) as offers_without_rate,
    round(gap.longest_gap_hours, 2) as longest_gap_hours,
    run.first_run_at,
    run.last_run_at
from run
inner join source on run.source = source.source
left join gap on run.source = gap.source
left join known on run.source = known.source;

comment on view data_quality is 'One row per source that was ever run: what its data can be trusted for.';
comment on column data_quality.source is 'The source.';
comment on column data_quality.confidence is 'Who saw its prices, see source.confidence.';
comment on column data_quality.runs is 'Attempts.';
comment on column data_quality.accepted_runs is 'Attempts that were recorded.';
comment on column data_quality.quarantined_runs is 'Attempts that broke the contract; nothing of them was recorded.';
comment on column data_quality.failed_runs is 'Attempts that could not be fetched or read.';
comment on column data_quality.accepted_rows is 'Offers seen in accepted runs, one per run.';
comment on column data_quality.skipped_rows is 'Rows left out with a reason, see skipped_row.';
comment on column data_quality.offers is 'Offers ever seen.';
comment on column data_quality.unmapped_offers is 'Offers whose label no alias explains.';
comment on column data_quality.withdrawn_offers is 'Offers that are no longer on sale.';
comment on column data_quality.offers_without_rate is 'Offers in a currency without an exchange rate.';
comment on column data_quality.longest_gap_hours is 'Longest time between two accepted runs.';
comment on column data_quality.first_run_at is 'Time of the first run.';
comment on column data_quality.last_run_at is 'Time of the last run.';

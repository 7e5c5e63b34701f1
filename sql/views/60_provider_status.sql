-- grain: one row per source: how its last runs went and how old its prices were at a time
create or replace macro source_status_at(instant) as table
with last_run as (
    select source, max_by(scrape_run, run_no) as run
    from scrape_run
    group by source
),

last_accepted as (
    select source, max(observed_at) as accepted_at, arg_max(offer_count, run_no) as offers
    from scrape_run
    where outcome = 'accepted'
    group by source
)

select
    source.source,
    source.provider,
    source.kind,
    source.confidence,
    case
        when source.kind = 'archive' and last_accepted.accepted_at is not null then 'archive'
        when last_accepted.accepted_at is null then 'never'
        when last_accepted.accepted_at > instant + interval 5 minutes then 'ahead'
        when last_accepted.accepted_at + to_seconds(source.fresh_for_seconds) < instant then 'stale'
        else 'fresh'
    end as state,
    last_accepted.accepted_at as last_accepted_at,
    round(epoch(instant - last_accepted.accepted_at) / 3600, 2) as age_hours,
    source.fresh_for_seconds / 3600 as target_hours,
    last_accepted.offers,
    last_run.run.outcome as last_outcome,
    last_run.run.observed_at as last_run_at,
    last_run.run.error_message as last_error,
    last_run.run.error_url as last_error_url,
    coalesce(disputed.offers, 0) as disputed,
    disputed.since_at as disputed_since
from source
left join last_run on source.source = last_run.source
left join last_accepted on source.source = last_accepted.source
left join (
    select source, count(*) as offers, min(since_at) as since_at from disputed_latest group by source
) as disputed on source.source = disputed.source;

comment on macro table source_status_at is 'Rows of provider_status, aged at an instant.';

create or replace view provider_status as
select * exclude (target_hours, last_error_url)
from source_status_at((select max(published_at) from snapshot));

comment on view provider_status is
    'One row per source: how its last runs went and how old its prices were when this snapshot was published.';
comment on column provider_status.source is 'The source.';
comment on column provider_status.provider is 'Provider whose prices it publishes; several for archives and aggregators.';
comment on column provider_status.kind is 'live or archive.';
comment on column provider_status.confidence is 'Who saw its prices, see source.confidence.';
comment on column provider_status.state is 'fresh; stale: past its target; never: no run was accepted yet; ahead: dated later than now; archive.';
comment on column provider_status.last_accepted_at is 'Time of the last accepted run.';
comment on column provider_status.age_hours is 'From then to the publishing.';
comment on column provider_status.offers is 'Offers of the last accepted run.';
comment on column provider_status.last_outcome is 'accepted, quarantined or failed.';
comment on column provider_status.last_run_at is 'Time of the last run.';
comment on column provider_status.last_error is 'What it said, null when accepted.';
comment on column provider_status.disputed is 'Prices and absences that the ledger contradicts, see disputed_latest.';
comment on column provider_status.disputed_since is 'When the oldest of them was first claimed.';

-- grain: one row per source, how its last runs went and whether its prices are still fresh
-- parameters: now timestamptz
with last_run as (
    select source, max_by(scrape_run, run_no) as run
    from scrape_run
    group by source
),

last_accepted as (
    select source, max(observed_at) as accepted_at, arg_max(offer_count, run_no) as offer_count
    from scrape_run
    where outcome = 'accepted'
    group by source
)

select
    source.source,
    source.provider,
    case
        when last_accepted.accepted_at is null then 'never'
        when last_accepted.accepted_at + to_seconds(source.fresh_for_seconds) < $now::timestamptz then 'stale'
        else 'fresh'
    end as state,
    last_accepted.accepted_at as last_accepted_at,
    round(epoch($now::timestamptz - last_accepted.accepted_at) / 3600, 2) as age_hours,
    source.fresh_for_seconds / 3600 as target_hours,
    last_accepted.offer_count as offers,
    last_run.run.outcome as last_outcome,
    last_run.run.observed_at as last_run_at,
    last_run.run.error_message as last_error,
    last_run.run.error_url as last_error_url
from source
left join last_run on source.source = last_run.source
left join last_accepted on source.source = last_accepted.source
where source.kind = 'live'
order by source.source;

-- grain: one row per live source, how its last runs went and whether its prices are still fresh
-- parameters: now timestamptz
select
    source, provider, state, last_accepted_at, age_hours, target_hours, offers, last_outcome, last_run_at, last_error,
    last_error_url, disputed, disputed_since
from source_status_at($now::timestamptz)
where kind = 'live'
order by source;

-- grain: one row: what an import took
select
    count(*) as charges,
    string_agg(distinct provider, ' ' order by provider) as providers,
    min(started_at) as since,
    max(ended_at) as until,
    sum(usd) as usd,
    sum(gpu_hours) filter (where kind = 'gpu') as gpu_hours,
    count(*) filter (where usd is null) as unpriced,
    count(*) filter (where kind = 'gpu' and gpu_hours is null) as without_hours,
    sum(usd) filter (where usd_from = 'ledger') as usd_from_ledger
from paid

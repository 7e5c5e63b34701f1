-- grain: one row per source that failed, was quarantined, or has labels that nobody explained
select source, failed_runs, quarantined_runs, unmapped_offers, skipped_rows
from data_quality
where failed_runs + quarantined_runs + unmapped_offers > 0
order by source;

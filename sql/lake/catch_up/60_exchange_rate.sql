-- grain: one appended row per currency and day not known yet
-- parameters: since bigint
insert into exchange_rate by name
select new_run.run_no, kept.* exclude (run_id)
from lake.exchange_rate as kept
inner join new_run on kept.run_id = new_run.run_id and kept.snapshot_id = new_run.commit_no
where
    kept.snapshot_id > $since::bigint
    and not exists (
        select 1 from exchange_rate as known
        where known.currency = kept.currency and known.rate_date = kept.rate_date
    )
qualify row_number() over (partition by kept.currency, kept.rate_date order by new_run.run_no) = 1;

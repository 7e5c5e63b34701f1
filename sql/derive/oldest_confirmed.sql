-- grain: one row, the oldest last look of a source before a run after the last derived one, where that run may confirm what
-- days that are derived say of the time between (null: none)
-- Over a gap of a day or more the days between may count. A day's last moment lies in the gap where the run is the first of
-- another day: what had ceased to be fresh is recorded then, and of several sources of one thing that speaks which is confirmed.
-- parameters: run_no integer
with contested as (
    select distinct source from offer_described where is_doubled or is_renamed
)

select min(look.before_at) as before_at
from (
    select
        source, run_no, observed_at, lag(observed_at) over (partition by source order by observed_at) as before_at
    from scrape_run
    where outcome = 'accepted'
) as look
inner join source on look.source = source.source
where
    look.run_no > $run_no::integer
    and (
        look.observed_at::date > look.before_at::date + 1
        or look.observed_at::date > look.before_at::date and source.kind = 'live'
        and (
            date_trunc('day', look.observed_at) > look.before_at + to_seconds(source.fresh_for_seconds)
            or look.source in (select source from contested)
        )
    );

-- grain: one row per accepted run that the votes of some days rest on
-- Of a live source the runs of those days, and enough before and after to know what they changed, withdrew and
-- confirmed; of a foreign currency the run that first saw each price too, whose day gives the rate; of dated lists every
-- import.
-- parameters: gpu_ids varchar (parted by commas), from_at and to_at timestamptz, runs_around integer
with wanted as (
    select distinct offer.source, source.kind
    from offer
    inner join source on offer.source = source.source
    where list_contains(string_split($gpu_ids::varchar, ','), offer.gpu_id)
),

run as (
    select
        scrape_run.run_id, scrape_run.run_no, scrape_run.source, wanted.kind, scrape_run.observed_at,
        row_number() over (
            partition by scrape_run.source, scrape_run.observed_at >= $from_at::timestamptz
            order by scrape_run.observed_at desc
        ) as back_no,
        row_number() over (
            partition by scrape_run.source, scrape_run.observed_at < $to_at::timestamptz
            order by scrape_run.observed_at
        ) as forth_no
    from scrape_run
    inner join wanted on scrape_run.source = wanted.source
    where scrape_run.outcome = 'accepted'
),

foreign_price as (
    select distinct run_no
    from price_history_wanted(
        string_split($gpu_ids::varchar, ','), null::varchar[], null::varchar, null::varchar[], null::varchar[],
        null::integer, null::integer, $from_at::timestamptz
    )
    where currency <> 'USD' and valid_from < $to_at::timestamptz
)

select run_id, source, kind
from run
where
    kind = 'archive'
    or (observed_at < $from_at::timestamptz and back_no <= $runs_around::integer)
    or (observed_at >= $to_at::timestamptz and forth_no <= $runs_around::integer)
    or (observed_at >= $from_at::timestamptz and observed_at < $to_at::timestamptz)
    or run_no in (select run_no from foreign_price)
order by run_id;

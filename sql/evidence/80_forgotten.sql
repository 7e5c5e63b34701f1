-- grain: one appended row per disputed new identity that its source has not shown for two weeks
-- parameters: source varchar, observed_at timestamptz, run_no integer; reads claim
insert into disputed_price by name
select
    * replace (
        $observed_at::timestamptz as observed_at,
        'lapsed' as state,
        'the source has not shown it for two weeks' as evidence,
        $run_no::integer as run_no
    )
from disputed_latest
where
    source = $source::varchar
    and claim in ('new', 'return')
    and since_at < $observed_at::timestamptz - interval 14 day
    and offer_id not in (select offer_id from claim where position is not null);

-- grain: one row per offer that was on sale and that this run of its source does not show
-- An incomplete run (a key refused, a fallback) may mark an offer as unlisted, but only complete ones withdraw.
create or replace temp table absent as
select before.offer_no, before.availability = 'unlisted' as is_second_time
from offer_current as before
where
    before.source = $source::varchar
    and before.amount is not null
    and ($is_complete::boolean or before.availability <> 'unlisted')
    and not exists (select 1 from numbered where numbered.offer_no = before.offer_no);

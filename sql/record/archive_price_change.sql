-- grain: one appended row per offer and time of a dated list, if that time is not known yet
-- Every observation is kept, not only changes: so lists may arrive in any order and give the same history. A time
-- that is known already keeps the lower price, and a price goes before a withdrawal, whichever list came first. Of equal
-- ones that of the change list stands which covers the longer time: a newer version repeats the rows of the older.
merge into price_change as known
using (
    select observation.*, coalesce(list.end_at, '-infinity'::timestamptz) as end_at
    from observation
    left join change_list_end as list on observation.document_no = list.document_no
    order by observation.observed_at, observation.offer_no
) as new
on known.offer_no = new.offer_no and known.observed_at = new.observed_at
when matched and (
    new.amount < known.amount
    or (known.amount is null and new.amount is not null)
    or (
        new.amount is not distinct from known.amount
        and new.end_at > coalesce(
            (select list.end_at from change_list_end as list where list.document_no = known.document_no), '-infinity'
        )
    )
) then update set
    amount = new.amount,
    upfront_amount = new.upfront_amount,
    currency = new.currency,
    unit = new.unit,
    effective_at = new.effective_at,
    run_no = new.run_no,
    document_no = new.document_no
when not matched then insert (
    observed_at, offer_no, amount, upfront_amount, currency, unit, effective_at, run_no, document_no
) values (
    new.observed_at, new.offer_no, new.amount, new.upfront_amount, new.currency, new.unit, new.effective_at,
    new.run_no, new.document_no
);

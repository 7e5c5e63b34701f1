-- grain: one appended row per offer and time of a dated list, if that time is not known yet
-- Every observation is kept, not only changes: so lists may arrive in any order and give the same history. A time
-- that is known already keeps the lower price, and a price goes before a withdrawal, whichever list came first.
-- parameters: run_no integer
merge into price_change as known
using (select * from observation order by observed_at, offer_no) as new
on known.offer_no = new.offer_no and known.observed_at = new.observed_at
when matched and (new.amount < known.amount or known.amount is null and new.amount is not null) then update set
    amount = new.amount,
    upfront_amount = new.upfront_amount,
    currency = new.currency,
    unit = new.unit,
    effective_at = new.effective_at,
    run_no = $run_no::integer,
    document_no = new.document_no
when not matched then insert values (
    new.observed_at, new.offer_no, new.amount, new.upfront_amount, new.currency, new.unit, new.effective_at,
    $run_no::integer, new.document_no
);

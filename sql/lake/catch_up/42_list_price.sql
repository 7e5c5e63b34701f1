-- grain: one appended or corrected row per offer and time of a dated list, by the rule of record/archive_price_change
merge into price_change as known
using (
    select *
    from new_price
    where not is_live
    qualify row_number() over (partition by offer_no, observed_at order by amount nulls last, run_no) = 1
    order by observed_at, offer_no
) as new
on known.offer_no = new.offer_no and known.observed_at = new.observed_at
when matched and (new.amount < known.amount or known.amount is null and new.amount is not null) then update set
    amount = new.amount,
    upfront_amount = new.upfront_amount,
    currency = new.currency,
    unit = new.unit,
    effective_at = new.effective_at,
    run_no = new.run_no,
    document_no = new.document_no
when not matched then insert values (
    new.observed_at, new.offer_no, new.amount, new.upfront_amount, new.currency, new.unit, new.effective_at,
    new.run_no, new.document_no
);

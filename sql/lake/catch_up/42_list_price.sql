-- grain: one appended or corrected row per offer and time of a dated list, by the rule of record/archive_price_change
merge into price_change as known
using (
    select new_price.*, coalesce(list.end_at, '-infinity'::timestamptz) as end_at
    from new_price
    left join change_list_end as list on new_price.document_no = list.document_no
    where not new_price.is_live
    qualify row_number() over (
        partition by new_price.offer_no, new_price.observed_at
        order by new_price.amount nulls last, list.end_at desc nulls last, new_price.run_no
    ) = 1
    order by new_price.observed_at, new_price.offer_no
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

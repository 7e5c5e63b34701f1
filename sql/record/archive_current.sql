-- grain: one merged row in offer_current per offer of a dated list: its newest observation
-- parameters: source varchar
merge into offer_current as current
using (
    select price_change.*, observation.offer_id
    from price_change
    inner join (
        select offer_no, offer_id, max(observed_at) as newest_at from observation group by all
    ) as observation
        on price_change.offer_no = observation.offer_no and price_change.observed_at >= observation.newest_at
    qualify row_number() over (partition by price_change.offer_no order by price_change.observed_at desc) = 1
) as new
on current.offer_no = new.offer_no
when matched and new.observed_at >= current.changed_at then update set
    changed_at = new.observed_at,
    amount = new.amount,
    upfront_amount = new.upfront_amount,
    currency = new.currency,
    unit = new.unit,
    effective_at = new.effective_at,
    run_no = new.run_no,
    document_no = new.document_no
when not matched then insert values (
    new.offer_no, $source::varchar, new.offer_id, new.observed_at, new.amount, new.upfront_amount, new.currency,
    new.unit, new.effective_at, new.run_no, new.document_no, 'unknown', new.observed_at, null
);

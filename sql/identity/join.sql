-- grain: one moved row per change of an offer in joined_offer; then those offers are deleted
-- That one spelling went from a live source is no withdrawal of the offer.
delete from price_change
where
    amount is null and offer_no in (select offer_no from joined_offer)
    and offer_no not in (
        select offer_no from offer inner join source on offer.source = source.source where source.kind = 'archive'
    );

update price_change
set offer_no = joined.first_no from joined_offer as joined
where price_change.offer_no = joined.offer_no;

delete from stock_change
where availability = 'unlisted' and offer_no in (select offer_no from joined_offer);

update stock_change
set offer_no = joined.first_no from joined_offer as joined
where stock_change.offer_no = joined.offer_no;

-- of two rows at one time the lower price stands
delete from price_change
using (
    select rowid as row_no
    from price_change
    where offer_no in (select first_no from joined_offer)
    qualify row_number() over (partition by offer_no, observed_at order by amount nulls last) > 1
) as doubled
where price_change.rowid = doubled.row_no;

delete from stock_change
using (
    select rowid as row_no
    from stock_change
    where offer_no in (select first_no from joined_offer)
    qualify row_number() over (partition by offer_no, observed_at order by run_no desc) > 1
) as doubled
where stock_change.rowid = doubled.row_no;

-- A price that did not change is no change; of a dated list every observation stays: what was seen twice is confirmed.
delete from price_change
using (
    select rowid as row_no
    from price_change
    where
        offer_no in (select first_no from joined_offer)
        and offer_no not in (
            select offer_no from offer inner join source on offer.source = source.source where source.kind = 'archive'
        )
    qualify row(amount, upfront_amount, currency, unit) is not distinct from
        lag(row(amount, upfront_amount, currency, unit)) over (partition by offer_no order by observed_at)
) as repeated
where price_change.rowid = repeated.row_no;

update offer_current
set
    changed_at = last.observed_at, amount = last.amount, upfront_amount = last.upfront_amount,
    currency = last.currency, unit = last.unit, effective_at = last.effective_at, run_no = last.run_no,
    document_no = last.document_no
from (
    select *
    from price_change
    where offer_no in (select first_no from joined_offer)
    qualify row_number() over (partition by offer_no order by observed_at desc) = 1
) as last
where offer_current.offer_no = last.offer_no;

update offer_current
set availability = last.availability, stock_changed_at = last.observed_at
from (
    select *
    from stock_change
    where offer_no in (select first_no from joined_offer)
    qualify row_number() over (partition by offer_no order by observed_at desc) = 1
) as last
where offer_current.offer_no = last.offer_no;

delete from offer
where offer_no in (select offer_no from joined_offer);

delete from offer_current
where offer_no in (select offer_no from joined_offer);

-- checkpoints and daily prices follow from the logs
delete from price_checkpoint;
delete from derived;

-- grain: one merged row in offer_current per offer that changed in this run
-- parameters: run_no integer, source varchar
merge into offer_current as current
using difference as new
on current.offer_no = new.offer_no
when matched then update set
    changed_at = if(new.is_price_change, new.price_observed_at, current.changed_at),
    amount = if(new.is_price_change, new.amount, current.amount),
    upfront_amount = if(new.is_price_change, new.upfront_amount, current.upfront_amount),
    currency = if(new.is_price_change, new.currency, current.currency),
    unit = if(new.is_price_change, new.unit, current.unit),
    effective_at = if(new.is_price_change, new.effective_at, current.effective_at),
    run_no = if(new.is_price_change, $run_no::integer, current.run_no),
    document_no = if(new.is_price_change, new.document_no, current.document_no),
    availability = if(new.is_absent, 'unlisted', new.availability),
    stock_changed_at = if(new.is_stock_change, new.observed_at, current.stock_changed_at),
    shape_hash = if(new.is_absent, current.shape_hash, new.shape_hash)
when not matched then insert values (
    new.offer_no, $source::varchar, new.offer_id, new.price_observed_at, new.amount, new.upfront_amount, new.currency,
    new.unit, new.effective_at, $run_no::integer, new.document_no, new.availability, new.observed_at, new.shape_hash
);

-- grain: one updated row in offer_current per offer that runs of a stack changed, as the last of them left it
-- Reads the states as stacked.
update offer_current
set
    changed_at = stacked.changed_at,
    amount = stacked.amount,
    upfront_amount = stacked.upfront_amount,
    currency = stacked.currency,
    unit = stacked.unit,
    effective_at = stacked.effective_at,
    run_no = stacked.run_no,
    document_no = stacked.document_no,
    availability = stacked.availability,
    stock_changed_at = stacked.stock_changed_at
from stacked
where offer_current.offer_no = stacked.offer_no;

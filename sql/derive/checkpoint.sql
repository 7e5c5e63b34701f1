-- grain: one appended row per offer ever seen until a time: its state then
-- parameters: checkpoint_at timestamptz
insert into price_checkpoint by name
with base as (
    select coalesce(max(checkpoint_at), '-infinity'::timestamptz) as base_at from price_checkpoint
),

price_at as (
    select offer_no, max(observed_at) as changed_at
    from price_change
    where observed_at > (select base_at from base) and observed_at <= $checkpoint_at::timestamptz
    group by offer_no
),

changed as (
    select price_change.*
    from price_change
    inner join price_at
        on price_change.offer_no = price_at.offer_no and price_change.observed_at = price_at.changed_at
    where
        price_change.observed_at > (select base_at from base)
        and price_change.observed_at <= $checkpoint_at::timestamptz
),

stock_at as (
    select
        offer_no,
        max(observed_at) as stock_changed_at,
        arg_max(availability, observed_at) as availability
    from stock_change
    where observed_at > (select base_at from base) and observed_at <= $checkpoint_at::timestamptz
    group by offer_no
),

kept as (
    select * from price_checkpoint where checkpoint_at = (select base_at from base)
)

select
    $checkpoint_at::timestamptz as checkpoint_at,
    offer_no,
    coalesce(changed.observed_at, kept.changed_at) as changed_at,
    if(changed.observed_at is null, kept.amount, changed.amount) as amount,
    if(changed.observed_at is null, kept.upfront_amount, changed.upfront_amount) as upfront_amount,
    if(changed.observed_at is null, kept.currency, changed.currency) as currency,
    if(changed.observed_at is null, kept.unit, changed.unit) as unit,
    if(changed.observed_at is null, kept.effective_at, changed.effective_at) as effective_at,
    coalesce(changed.run_no, kept.run_no) as run_no,
    if(changed.observed_at is null, kept.document_no, changed.document_no) as document_no,
    coalesce(stock_at.availability, kept.availability) as availability,
    coalesce(stock_at.stock_changed_at, kept.stock_changed_at) as stock_changed_at
from changed
full join kept using (offer_no)
left join stock_at using (offer_no)
order by offer_no;

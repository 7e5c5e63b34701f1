-- grain: one row per claim of an offer that returns: what it cost before it was withdrawn; an absence resets nothing
-- parameters: none; reads claim
with last_price as (
    select
        offer_no,
        arg_max(
            {'amount': amount, 'upfront_amount': upfront_amount, 'currency': currency, 'unit': unit}, observed_at
        ) as price
    from price_change
    where amount is not null and offer_no in (select offer_no from claim where claim = 'return')
    group by offer_no
)

select
    claim.claim_no,
    last_price.price.amount as withdrawn_amount,
    last_price.price.upfront_amount as withdrawn_upfront_amount,
    last_price.price.currency as withdrawn_currency,
    last_price.price.unit as withdrawn_unit
from claim
inner join last_price on claim.offer_no = last_price.offer_no
where claim.claim = 'return';

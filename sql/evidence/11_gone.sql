-- grain: one row per claim of an offer that is absent, in the order of its number: the offer as its source had it
-- parameters: none; reads claim
select offer.* exclude (offer_no, source, first_run_no)
from claim
inner join offer on claim.offer_no = offer.offer_no
where claim.position is null
order by claim.claim_no;

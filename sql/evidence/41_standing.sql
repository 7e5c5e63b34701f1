-- grain: one row per region, GPU, way to buy, term, and one for the whole list: how much of it is gone at once
-- parameters: source varchar
create or replace temp table standing as
select
    lower(offer.region) as region,
    coalesce(offer.gpu_id, normalised_label(offer.gpu_label)) as gpu,
    offer.purchase_option,
    coalesce(offer.term_months, 0)::double as term,
    count(*) as listed,
    count(*) filter (claim.claim = 'absence' and claim.open_claim is distinct from 'absence') as gone,
    count(*) filter (claim.claim = 'absence') as missing
from offer_current as current
inner join offer on current.offer_no = offer.offer_no
left join claim on current.offer_no = claim.offer_no
where
    current.source = $source::varchar and current.amount is not null and current.availability <> 'unlisted'
    and exists (select 1 from claim where claim = 'absence')
group by grouping sets (
    (lower(offer.region)),
    (coalesce(offer.gpu_id, normalised_label(offer.gpu_label))),
    (offer.purchase_option),
    (offer.purchase_option, coalesce(offer.term_months, 0)::double),
    ()
);

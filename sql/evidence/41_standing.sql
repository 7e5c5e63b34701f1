-- grain: one row per offer that is gone, with how much of its region, its GPU, its way to buy and the list is gone at once
-- parameters: source varchar; reads claim and claimed
with standing as (
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
    where current.source = $source::varchar and current.amount is not null and current.availability <> 'unlisted'
    group by grouping sets (
        (lower(offer.region)),
        (coalesce(offer.gpu_id, normalised_label(offer.gpu_label))),
        (offer.purchase_option),
        (offer.purchase_option, coalesce(offer.term_months, 0)::double),
        ()
    )
)

select
    claimed.claim_no,
    of_region.listed as region_listed,
    of_region.gone as region_gone,
    of_gpu.listed as gpu_listed,
    of_gpu.gone as gpu_gone,
    if(of_option.gone >= of_option.listed, of_option.listed, of_term.listed) as option_listed,
    if(of_option.gone >= of_option.listed, of_option.gone, of_term.gone) as option_gone,
    of_list.listed as all_listed,
    of_list.gone as all_gone,
    of_list.missing as all_missing
from claimed
left join (select * from standing where region is not null) as of_region
    on if(claimed.claim = 'absence', claimed.region, null) = of_region.region
left join (select * from standing where gpu is not null) as of_gpu
    on if(claimed.claim = 'absence', claimed.gpu, null) = of_gpu.gpu
left join (select * from standing where purchase_option is not null and term is null) as of_option
    on if(claimed.claim = 'absence', claimed.purchase_option, null) = of_option.purchase_option
left join (select * from standing where purchase_option is not null and term is not null) as of_term
    on if(claimed.claim = 'absence', claimed.purchase_option, null) = of_term.purchase_option
    and claimed.term = of_term.term
left join (select * from standing where region is null and gpu is null and purchase_option is null) as of_list
    on true;

-- grain: one row per claim of a label that no alias explains, but that is drawn as one of the provider's
-- parameters: none; reads claim
with unmapped as (
    select distinct provider, gpu_label from claim where claim = 'new' and gpu_id is null
),

lookalike as (
    select unmapped.provider, unmapped.gpu_label, any_value(offer.gpu_id) as gpu_id
    from unmapped
    inner join offer
        on unmapped.provider = offer.provider and drawn_label(unmapped.gpu_label) = drawn_label(offer.gpu_label)
    where offer.gpu_id is not null
    group by unmapped.provider, unmapped.gpu_label
)

select claim.claim_no, lookalike.gpu_id as lookalike_gpu_id
from claim
inner join lookalike on claim.provider = lookalike.provider and claim.gpu_label = lookalike.gpu_label
where claim.position is not null;

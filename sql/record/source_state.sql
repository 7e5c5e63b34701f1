-- grain: one row per offer of a source: its state, and by what its claims are compared with others
-- The keys are those of sql/evidence/20_seen.sql; they are compared with each other alone.
-- parameters: source varchar
with keyed as (
    select
        current.*,
        offer.provider,
        offer.purchase_option,
        coalesce(offer.term_months, 0)::double as term,
        offer.gpu_count::double as gpu_count,
        coalesce(offer.gpu_id, normalised_label(offer.gpu_label)) as gpu,
        lower(offer.sku) as sku,
        lower(offer.region) as region,
        coalesce(offer.tier, '') as tier,
        lower(offer.instance_type) as instance_type,
        hash(
            offer.provider, offer.via, coalesce(offer.gpu_id, normalised_label(offer.gpu_label)), offer.purchase_option,
            coalesce(offer.term_months, 0)::double
        ) as kin_key
    from offer_current as current
    inner join offer on current.offer_no = offer.offer_no
    where current.source = $source::varchar
)

select
    * exclude (source, tier, instance_type),
    hash(kin_key, instance_type) as product_key,
    hash(purchase_option, term, tier) as way,
    hash(hash(provider, gpu), instance_type, region, gpu_count) as ways_key
from keyed
order by offer_no;

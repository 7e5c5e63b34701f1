-- grain: one row per offer of a source: its state, and by what its claims are compared with others
-- The keys are compared with each other alone.
-- parameters: source varchar
select
    current.* exclude (source),
    keyed.provider,
    keyed.purchase_option,
    keyed.term,
    keyed.gpu_count,
    keyed.gpu,
    keyed.sku,
    keyed.region,
    keyed.kin_key,
    keyed.product_key,
    keyed.way,
    keyed.ways_key
from offer_current as current
inner join offer_key as keyed on current.offer_no = keyed.offer_no
where current.source = $source::varchar
order by current.offer_no;

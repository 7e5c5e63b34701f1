-- grain: one row per offer and time of a dated list in a ledger that holds one archive alone, in the order of both
select
    offer.offer_id, offer.provider, offer.via, offer.sku, offer.instance_type, offer.region, offer.zone, offer.tier,
    offer.gpu_label, offer.gpu_id, offer.gpu_count::decimal(18, 4) as gpu_count,
    offer.gpu_memory_gib::decimal(18, 4) as gpu_memory_gib, offer.vcpus::decimal(18, 4) as vcpus,
    offer.memory_gib::decimal(18, 4) as memory_gib, offer.min_gpus, offer.max_gpus, offer.purchase_option,
    offer.term_months::decimal(18, 6) as term_months, offer.payment, offer.operating_system,
    dated_price.observed_at, dated_price.amount, dated_price.upfront_amount, dated_price.currency, dated_price.unit,
    dated_price.seen_until, dated_price.same_until, dated_price.next_at, dated_price.gone_at
from dated_price
inner join offer on dated_price.offer_no = offer.offer_no
order by offer.offer_id, dated_price.observed_at;

-- grain: one row per provider, instance type, product code and accelerator of any offer that the ledger has or had
select distinct offer.provider, offer.instance_type, offer.sku, offer.gpu_id, offer.gpu_count
from offer
where offer.gpu_id is not null
order by offer.provider, offer.instance_type, offer.gpu_count

-- grain: one row per offer on sale in this snapshot, whatever the age of its price
select * exclude (source_kind, is_recorded, gpu_vendor, form_factor)
from offer_latest
order by gpu_id, purchase_option, provider, source, offer_id;

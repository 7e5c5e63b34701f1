-- grain: one row per provider and words by which charges name a machine
select distinct provider, machine_text, meter_text, other_text
from charge
where refused is null and service_category is distinct from 'Tax' and service_category is distinct from 'Storage'

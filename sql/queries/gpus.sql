-- grain: one row per accelerator of the seeds, with what is on sale of it now
select
    gpu.gpu_id,
    gpu.name,
    gpu.vendor,
    gpu.form_factor,
    gpu.memory_gib,
    gpu.bf16_tflops,
    count(offer_latest.offer_id) as offers,
    count(distinct offer_latest.provider) as providers,
    min(offer_latest.usd_per_gpu_hour) filter (where offer_latest.purchase_option = 'on_demand')
        as usd_per_gpu_hour_on_demand,
    min(offer_latest.usd_per_gpu_hour) filter (where offer_latest.purchase_option = 'spot') as usd_per_gpu_hour_spot
from gpu
left join offer_latest on gpu.gpu_id = offer_latest.gpu_id
group by all
order by providers desc, gpu.gpu_id;

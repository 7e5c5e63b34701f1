-- grain: one row per GPU with a published rate: US dollars for 10^18 dense bf16 operations at peak, cheapest first
select
    offer_latest.gpu_id, min(offer_latest.usd_per_gpu_hour) as usd_per_gpu_hour, max(gpu.bf16_tflops) as bf16_tflops,
    round(min(offer_latest.usd_per_gpu_hour)::double / 3600 / max(gpu.bf16_tflops) * 1e6, 4) as usd_per_exaflop
from offer_latest
inner join gpu on offer_latest.gpu_id = gpu.gpu_id
where offer_latest.purchase_option = 'on_demand' and gpu.bf16_tflops is not null
group by offer_latest.gpu_id
order by usd_per_exaflop, offer_latest.gpu_id;

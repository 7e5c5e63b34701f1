-- grain: one row per provider and label that no alias explains; prices are kept all the same
select
    offer.provider,
    offer.gpu_label,
    offer.gpu_memory_gib,
    count(distinct offer.offer_id) as offers,
    min(offer_latest.usd_per_gpu_hour) as usd_per_gpu_hour_min,
    max(offer_latest.usd_per_gpu_hour) as usd_per_gpu_hour_max,
    min(scrape_run.observed_at) as first_seen_at,
    list(distinct offer.source order by offer.source) as sources
from offer
inner join scrape_run on offer.first_run_no = scrape_run.run_no
left join offer_latest on offer.offer_id = offer_latest.offer_id
where offer.gpu_id is null
group by offer.provider, offer.gpu_label, offer.gpu_memory_gib
order by offers desc, offer.provider, offer.gpu_label;

-- grain: one row per offer that is not withdrawn, with its best last observation
insert into offer_last_seen
select * from offers_as_of(null::timestamptz)
order by gpu_id, purchase_option, usd_per_gpu_hour, usd_per_hour, last_seen_at desc, provider, region, offer_id;

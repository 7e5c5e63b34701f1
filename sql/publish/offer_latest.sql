-- grain: one row per offer on sale now; made when a snapshot is published, so that lookups are one scan
create or replace table offer_latest as
select * from offers_as_of(null::timestamptz)
order by gpu_id, purchase_option, usd_per_gpu_hour, provider, region, offer_id;
comment on table offer_latest is 'One row per offer on sale when this snapshot was published, best observation of it.';

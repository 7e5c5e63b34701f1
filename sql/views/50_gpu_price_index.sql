-- grain: one row per GPU, purchase option and past UTC day
create or replace view gpu_price_index as
select
    price_date, gpu_id, purchase_option, min_usd_per_gpu_hour, p10_usd_per_gpu_hour, median_usd_per_gpu_hour,
    p90_usd_per_gpu_hour, providers, offers, cheapest_provider
from gpu_price_day
where provider is null;

comment on view gpu_price_index is
    'One row per GPU, purchase option and past UTC day: what it cost over all offers in force at the day''s end.';
comment on column gpu_price_index.price_date is 'The day.';
comment on column gpu_price_index.gpu_id is 'The accelerator.';
comment on column gpu_price_index.purchase_option is 'on_demand, spot, reserved or capacity_block.';
comment on column gpu_price_index.min_usd_per_gpu_hour is 'Cheapest offer.';
comment on column gpu_price_index.p10_usd_per_gpu_hour is 'Tenth percentile over offers.';
comment on column gpu_price_index.median_usd_per_gpu_hour is 'Median over offers.';
comment on column gpu_price_index.p90_usd_per_gpu_hour is 'Ninetieth percentile over offers.';
comment on column gpu_price_index.providers is 'Providers with an offer.';
comment on column gpu_price_index.offers is 'Offers, each identity once.';
comment on column gpu_price_index.cheapest_provider is 'Provider of the cheapest offer.';

-- grain: each statement brings or changes one relation, whose comment says its grain
-- The daily prices tell providers apart, so that a chart of a year reads days and not the log. They follow from the logs:
-- the next publishing makes them again.
drop table gpu_price_day;
create table gpu_price_day (
    price_date date not null,
    gpu_id varchar not null,
    purchase_option varchar not null,
    provider varchar,
    offers integer not null,
    providers integer not null,
    min_usd_per_gpu_hour decimal(18, 6) not null,
    p10_usd_per_gpu_hour decimal(18, 6) not null,
    p25_usd_per_gpu_hour decimal(18, 6) not null,
    median_usd_per_gpu_hour decimal(18, 6) not null,
    p75_usd_per_gpu_hour decimal(18, 6) not null,
    p90_usd_per_gpu_hour decimal(18, 6) not null,
    cheapest_provider varchar not null
);
comment on table gpu_price_day is
    'One row per GPU, purchase option, provider (null: all of them) and past UTC day, kept at publishing; the view gpu_price_index is its public name.';
comment on column gpu_price_day.price_date is 'The day; prices are those in force at its end.';
comment on column gpu_price_day.gpu_id is 'The accelerator.';
comment on column gpu_price_day.purchase_option is 'on_demand, spot, reserved or capacity_block.';
comment on column gpu_price_day.provider is 'Whose offers; null: all of them together.';
comment on column gpu_price_day.offers is 'Offers on sale, each identity once.';
comment on column gpu_price_day.providers is 'Providers with an offer on sale.';
comment on column gpu_price_day.min_usd_per_gpu_hour is 'Cheapest.';
comment on column gpu_price_day.p10_usd_per_gpu_hour is 'Tenth percentile over offers.';
comment on column gpu_price_day.p25_usd_per_gpu_hour is 'A quarter of the offers are at or under it.';
comment on column gpu_price_day.median_usd_per_gpu_hour is 'Median over offers.';
comment on column gpu_price_day.p75_usd_per_gpu_hour is 'Three quarters of the offers are at or under it.';
comment on column gpu_price_day.p90_usd_per_gpu_hour is 'Ninetieth percentile over offers.';
comment on column gpu_price_day.cheapest_provider is 'Provider of the cheapest offer.';

delete from derived;

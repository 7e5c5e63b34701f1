-- grain: each statement brings or changes one relation, whose comment says its grain
-- A day knows in which state its prices were: what was sold out, unlisted or stale is not what `cheapest` names while there is
-- better. The days follow from the logs: the next publishing makes them again.
drop table gpu_price_day;
create table gpu_price_day (
    price_date date not null,
    gpu_id varchar not null,
    purchase_option varchar not null,
    provider varchar,
    price_state varchar not null,
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
    'One row per GPU, purchase option, provider (null: all of them together) and past UTC day, kept at publishing: what `cheapest` as of its last microsecond answers.';
comment on column gpu_price_day.price_date is 'The day; prices are those at its end.';
comment on column gpu_price_day.gpu_id is 'The accelerator.';
comment on column gpu_price_day.purchase_option is 'on_demand, spot, reserved or capacity_block.';
comment on column gpu_price_day.provider is 'Whose offers; null: all of them together.';
comment on column gpu_price_day.price_state is
    'The best state in which there was an offer: fresh (recorded too), stale, unlisted or sold_out. Prices are of the offers in it.';
comment on column gpu_price_day.offers is 'Offers that had not lapsed, in any state, each identity once.';
comment on column gpu_price_day.providers is 'Providers with such an offer.';
comment on column gpu_price_day.min_usd_per_gpu_hour is 'Cheapest of the offers in that state.';
comment on column gpu_price_day.p10_usd_per_gpu_hour is 'Tenth percentile over the offers in that state.';
comment on column gpu_price_day.p25_usd_per_gpu_hour is 'A quarter of the offers in that state are at or under it.';
comment on column gpu_price_day.median_usd_per_gpu_hour is 'Median over the offers in that state.';
comment on column gpu_price_day.p75_usd_per_gpu_hour is 'Three quarters of the offers in that state are at or under it.';
comment on column gpu_price_day.p90_usd_per_gpu_hour is 'Ninetieth percentile over the offers in that state.';
comment on column gpu_price_day.cheapest_provider is 'Provider of the cheapest offer in that state.';

alter table gpu_vote_day alter column cheapest_usd_per_gpu_hour drop not null;
comment on column gpu_vote_day.cheapest_usd_per_gpu_hour is
    'Cheapest of the offers that were to be had at some time of the day; null: all were sold out or unlisted all day.';

delete from derived;

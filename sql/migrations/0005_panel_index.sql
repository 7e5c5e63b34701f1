-- grain: each statement brings or changes one relation, whose comment says its grain
-- The index of method version 2, see docs/methodology.md. Both tables follow from the logs.
create table gpu_vote_day (
    price_date date not null,
    gpu_id varchar not null,
    purchase_option varchar not null,
    segment varchar,
    provider varchar not null,
    offers integer not null,
    matched_offers integer not null,
    log_change double not null,
    cheapest_usd_per_gpu_hour decimal(18, 6) not null
);
comment on table gpu_vote_day is
    'One row per GPU, purchase option, segment (null: all), provider and UTC day on which a price of it was fresh or recorded.';
comment on column gpu_vote_day.price_date is 'The day.';
comment on column gpu_vote_day.gpu_id is 'The accelerator.';
comment on column gpu_vote_day.purchase_option is 'on_demand, spot, reserved or capacity_block.';
comment on column gpu_vote_day.segment is 'hyperscaler, neocloud or marketplace; null: all offers of the provider.';
comment on column gpu_vote_day.provider is 'The provider.';
comment on column gpu_vote_day.offers is 'Offers whose price was fresh or recorded.';
comment on column gpu_vote_day.matched_offers is 'Those of them that were fresh or recorded before as well.';
comment on column gpu_vote_day.log_change is
    'Median over the matched offers of the natural logarithm of price by price when last fresh or recorded; 0 without any.';
comment on column gpu_vote_day.cheapest_usd_per_gpu_hour is 'Cheapest of the offers.';

create table gpu_index_day (
    price_date date not null,
    gpu_id varchar not null,
    purchase_option varchar not null,
    segment varchar,
    state varchar not null,
    reason varchar,
    chain integer not null,
    price_index double,
    low double,
    high double,
    providers integer not null,
    matched_offers integer not null,
    dispersion double,
    floor_usd_per_gpu_hour decimal(18, 6),
    floor_provider varchar,
    median_usd_per_gpu_hour decimal(18, 6),
    usd_per_gpu_hour decimal(18, 6)
);
comment on table gpu_index_day is
    'One row per GPU, purchase option, segment (null: all) and UTC day from the first with a price to the last.';
comment on column gpu_index_day.price_date is 'The day.';
comment on column gpu_index_day.gpu_id is 'The accelerator.';
comment on column gpu_index_day.purchase_option is 'on_demand, spot, reserved or capacity_block.';
comment on column gpu_index_day.segment is 'hyperscaler, neocloud or marketplace; null: all providers.';
comment on column gpu_index_day.state is 'published, withheld (see reason) or carried (nothing was read that day).';
comment on column gpu_index_day.reason is 'Why the day is not published.';
comment on column gpu_index_day.chain is 'Number of the chain; values of two chains are not comparable.';
comment on column gpu_index_day.price_index is '100 on the first published day of the chain.';
comment on column gpu_index_day.low is 'Least index with any one provider left out since the chain began.';
comment on column gpu_index_day.high is 'Greatest index with any one provider left out since the chain began.';
comment on column gpu_index_day.providers is 'Votes of the day.';
comment on column gpu_index_day.matched_offers is 'Offers behind the votes.';
comment on column gpu_index_day.dispersion is 'Distance of the quartiles of the votes, natural logarithm.';
comment on column gpu_index_day.floor_usd_per_gpu_hour is 'Cheapest offer that was fresh or recorded that day.';
comment on column gpu_index_day.floor_provider is 'Whose it was.';
comment on column gpu_index_day.median_usd_per_gpu_hour is 'Median over providers of the cheapest of each.';
comment on column gpu_index_day.usd_per_gpu_hour is
    'The index as a price: the median of the last published day of the chain, moved by the index.';

delete from derived;

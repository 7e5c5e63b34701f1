-- grain: one row per GPU, purchase option, segment (null: all providers) and past UTC day
create or replace view gpu_price_index as
select
    chained.price_date, chained.gpu_id, chained.purchase_option, chained.segment, chained.state, chained.reason,
    chained.chain, chained.price_index, chained.low, chained.high, chained.usd_per_gpu_hour, chained.providers,
    chained.matched_offers, chained.dispersion, chained.floor_usd_per_gpu_hour, chained.floor_provider,
    chained.median_usd_per_gpu_hour, 2 as method_version
from gpu_index_day as chained;

comment on view gpu_price_index is
    'One row per GPU, purchase option, segment (null: all providers) and past UTC day: how its price moved, from matched offers. See docs/methodology.md.';
comment on column gpu_price_index.price_date is 'The day.';
comment on column gpu_price_index.gpu_id is 'The accelerator.';
comment on column gpu_price_index.purchase_option is 'on_demand, spot, reserved or capacity_block.';
comment on column gpu_price_index.segment is 'hyperscaler, neocloud or marketplace; null: all providers.';
comment on column gpu_price_index.state is 'published, withheld (see reason) or carried (nothing was read that day).';
comment on column gpu_price_index.reason is 'Why the day is not published.';
comment on column gpu_price_index.chain is 'Number of the chain; values of two chains are not comparable.';
comment on column gpu_price_index.price_index is '100 on the first published day of the chain.';
comment on column gpu_price_index.low is 'Least index with any one provider left out since the chain began.';
comment on column gpu_price_index.high is 'Greatest index with any one provider left out since the chain began.';
comment on column gpu_price_index.usd_per_gpu_hour is
    'The index as a price: the median of the last published day of the chain, moved by the index.';
comment on column gpu_price_index.providers is 'Votes of the day.';
comment on column gpu_price_index.matched_offers is 'Offers behind the votes.';
comment on column gpu_price_index.dispersion is 'Distance of the quartiles of the votes, natural logarithm.';
comment on column gpu_price_index.floor_usd_per_gpu_hour is 'Cheapest offer that was fresh or recorded that day.';
comment on column gpu_price_index.floor_provider is 'Whose it was.';
comment on column gpu_price_index.median_usd_per_gpu_hour is 'Median over providers of the cheapest of each.';
comment on column gpu_price_index.method_version is 'Version of docs/methodology.md.';

-- grain: one row per source, offer and interval, by natural keys only: equal ledgers give equal rows
-- parameters: sources varchar[] (null: all), since timestamptz (null: all)
select
    source, provider, via, sku, region, zone, tier, gpu_label, gpu_count, purchase_option, term_months, payment,
    gpu_id, valid_from, valid_to, amount, upfront_amount, currency, unit, usd_per_hour, usd_per_gpu_hour,
    effective_at, offer_id
from price_history
where
    ($sources::varchar[] is null or list_contains($sources::varchar[], source))
    and ($since::timestamptz is null or valid_to is null or valid_to > $since::timestamptz)
order by source, offer_id, valid_from;

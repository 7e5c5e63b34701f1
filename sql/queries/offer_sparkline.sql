-- grain: one row per offer of the list and price that it had in a span of time, oldest first; the first is the price in
-- force when the span begins, with the time from which it held
-- parameters: keys varchar, lines of source and offer_id parted by a colon; since and until timestamptz
with wanted as (
    select split_part(unnest(string_split($keys, chr(10))), ':', 1) as source,
        split_part(unnest(string_split($keys, chr(10))), ':', 2) as offer_id
),

chosen as (
    select offer.offer_no, offer.source || ':' || offer.offer_id as key
    from offer
    inner join wanted on offer.source = wanted.source and offer.offer_id = wanted.offer_id
),

-- reading starts at the last state that was written down before the span
base as (
    select
        coalesce(
            (select max(checkpoint_at) from price_checkpoint where checkpoint_at <= $since::timestamptz),
            '-infinity'::timestamptz
        ) as base_at
),

logged as (
    select chosen.key, price_change.observed_at, price_change.amount
    from price_change
    inner join chosen on price_change.offer_no = chosen.offer_no
    where
        price_change.observed_at > (select base_at from base)
        and price_change.observed_at <= $until::timestamptz
    union all
    select chosen.key, price_checkpoint.changed_at, price_checkpoint.amount
    from price_checkpoint
    inner join chosen on price_checkpoint.offer_no = chosen.offer_no
    where price_checkpoint.checkpoint_at = (select base_at from base)
)

select key, observed_at, amount
from logged
qualify
    amount is not null
    and (
        observed_at > $since::timestamptz
        or observed_at = max(observed_at) filter (where observed_at <= $since::timestamptz) over (partition by key)
    )
order by key, observed_at;

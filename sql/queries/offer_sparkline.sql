-- grain: one row per offer of the list and price that it had in a span of time, oldest first
-- parameters: keys varchar, lines of source and offer_id parted by a colon; since and until timestamptz
with wanted as (
    select split_part(unnest(string_split($keys, chr(10))), ':', 1) as source,
        split_part(unnest(string_split($keys, chr(10))), ':', 2) as offer_id
),

chosen as (
    select offer.offer_no, offer.source || ':' || offer.offer_id as key
    from offer
    inner join wanted on offer.source = wanted.source and offer.offer_id = wanted.offer_id
)

select chosen.key, price_change.observed_at, price_change.amount
from price_change
inner join chosen on price_change.offer_no = chosen.offer_no
where
    price_change.observed_at >= $since::timestamptz and price_change.observed_at <= $until::timestamptz
    and price_change.amount is not null
order by chosen.key, price_change.observed_at;

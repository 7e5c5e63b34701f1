-- grain: one row per provider and offer that may be quoted, of each provider those with the best lower bounds of their total
-- parameters: bounds varchar as quote_candidate.sql takes them; states varchar (classes parted by commas); each integer:
-- offers of a provider
with line as (
    select string_split(unnest(string_split($bounds, chr(10))), ',') as field
),

bound as (
    select
        field[1]::ubigint as shape_key, field[2]::integer as misses, field[3]::double as hours,
        field[4]::double as units, field[5]::double as factor, nullif(field[6], '')::double as contracted
    from line
),

ranked as (
    select
        offer.row_no,
        offer.state_class,
        bound.misses,
        coalesce(bound.contracted * offer.gpu_count::double, offer.usd_per_hour::double * bound.factor)
        * greatest(bound.hours, coalesce(offer.term_months, 0)::double * 730 * bound.units) as floor_usd
    from quote_offer as offer
    inner join bound on offer.shape_key = bound.shape_key
    where
        offer.excluded_because is null
        and list_contains(string_split($states::varchar, ','), offer.state_class::varchar)
    qualify
        row_number() over (partition by offer.provider order by misses, state_class, floor_usd, offer.price_id)
        <= $each::integer
)

select ranked.state_class, ranked.misses, ranked.floor_usd, offer.*
from on_sale as offer
inner join ranked on offer.row_no = ranked.row_no
order by ranked.misses, ranked.state_class, ranked.floor_usd, offer.price_id;

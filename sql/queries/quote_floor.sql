-- grain: one row per offer that may be quoted, with the lower bound of its total
-- A temporary macro over `quote_offer` (quote_offer.sql), for quote_first_of_providers.sql; core/store/quote_rows.py ranks alike. `bounds` is
-- lines of fields parted by commas: shape_key, misses the deadline (0 or 1), least paid hours of one price unit, least units,
-- factor on the list price, contracted USD per GPU-hour (empty: none); `states` are classes parted by commas.
create or replace temporary macro quote_floor(bounds, states) as table
with line as (
    select string_split(unnest(string_split(bounds, chr(10))), ',') as field
),

bound as (
    select
        field[1]::ubigint as shape_key, field[2]::integer as misses, field[3]::double as hours,
        field[4]::double as units, field[5]::double as factor, nullif(field[6], '')::double as contracted
    from line
)

select
    offer.row_no,
    offer.price_id,
    offer.provider,
    offer.state_class,
    bound.misses,
    coalesce(bound.contracted * offer.gpu_count::double, offer.usd_per_hour::double * bound.factor)
    * greatest(bound.hours, coalesce(offer.term_months, 0)::double * 730 * bound.units) as floor_usd
from quote_offer as offer
inner join bound on offer.shape_key = bound.shape_key
where
    offer.excluded_because is null
    and list_contains(string_split(states::varchar, ',')::integer[], offer.state_class::integer);

-- grain: one row per offer wanted (see offer_wanted), and per offer that is the same thing by another name
-- What was seen by another name ends a price, or is what speaks, whether or not its own terms were asked for.
create or replace macro offer_by_any_name(gpu_ids, providers, place, tiers, purchase_options, min_count, max_count) as table
with chosen as (
    select * from offer_wanted(gpu_ids, providers, place, tiers, purchase_options, min_count, max_count)
)

select *, true as is_chosen from chosen
union all by name
select offer.*, source.kind, source.confidence, source.fresh_for_seconds, false as is_chosen
from offer
inner join source on offer.source = source.source
where
    offer.offer_no in (select other_no from renamed_offer where offer_no in (select offer_no from chosen))
    and offer.offer_no not in (select offer_no from chosen);

comment on macro table offer_by_any_name is
    'Rows of offer_wanted, which are chosen, and those of the same things by other names (renamed_offer), which are not.';

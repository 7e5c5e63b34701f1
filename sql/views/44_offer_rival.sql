-- grain: one row per offer of some accelerators, providers, a place and so on (see is_of), and per offer whose word may count
-- instead of its own: the same identity of another source, the same thing by another name, whatever these say
-- What decides about an offer's place at a time. Times are microseconds, see offer_step_wanted.
create or replace macro offer_rival_wanted(gpu_ids, providers, place, tiers, purchase_options, min_count, max_count) as table
with chosen as materialized (
    select *, sells_count(gpu_count, min_gpus, max_gpus, min_count, max_count) as is_sold
    from offer_described
    where
        is_of(
            gpu_ids, providers, place, tiers, purchase_options, gpu_id, provider, region, country, continent, tier,
            purchase_option
        )
)

select
    offer_no, offer_id, source, source_kind, provider, region, gpu_id, purchase_option, gpu_count, term_months,
    is_doubled, is_renamed, is_doubled or is_renamed as is_contested, is_sold,
    fresh_for_seconds * 1000000 as fresh_us,
    epoch_us(price_horizon(purchase_option, tier, provider)) as horizon_us
from (
    -- another source of an offer that is sold takes part in the choice between them
    select * from chosen where is_doubled or is_renamed or is_sold
    union all
    select *, false
    from offer_described
    where
        offer_no in (select other_no from renamed_offer where offer_no in (select offer_no from chosen where is_renamed))
        and offer_no not in (select offer_no from chosen)
);

comment on macro table offer_rival_wanted is
    'One row per offer that is_of chooses, and per offer whose word may count instead; is_sold: chosen, and sold in such a number.';

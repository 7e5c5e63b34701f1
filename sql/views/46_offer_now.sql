-- grain: one row per offer wanted (see offer_wanted) that is on sale at the moment of publishing
-- The day of publishing is not over: charts draw it as it is so far, beside days from offer_step_wanted.
create or replace macro offer_now_wanted(gpu_ids, providers, place, tiers, purchase_options, min_count, max_count) as table
select
    snapshot.published_at::date as price_date, offer.offer_id, offer.provider,
    price_place(offer.price_state, offer.usd_per_gpu_hour) as place_no
from (
    select
        offer_latest.*,
        price_state(
            snapshot.published_at, false, offer_latest.fresh_until, offer_latest.lapses_at, offer_latest.is_unlisted,
            offer_latest.availability
        ) as price_state
    from offer_latest
    cross join snapshot
) as offer
cross join snapshot
where
    offer.offer_id in (
        select offer_id
        from offer_wanted(gpu_ids, providers, place, tiers, purchase_options, min_count, max_count)
    )
    and offer.gpu_id is not null
    and offer.usd_per_gpu_hour is not null;

comment on macro table offer_now_wanted is
    'One row per offer that offer_wanted chooses and that was on sale at the moment of publishing, with its state.';

-- grain: one row per time step and purchase option at which at least one offer had a price that had not lapsed
-- What `cheapest` as of each step answers. Purchase options are never mixed: a spot price is no price for capacity that stays.
-- parameters: gpu_ids varchar[], providers varchar[], region varchar, tiers varchar[], purchase_options varchar[],
--             min_count double, max_count double, since timestamptz, until timestamptz, every varchar,
--             stat varchar (min: the first in the order of `cheapest`; median: of the prices in the best state there is)
with placed as materialized (
    select *, state_rank(price_state) as rank_no
    from offer_step_wanted(
        $gpu_ids::varchar[], $providers::varchar[], $region::varchar, $tiers::varchar[], $purchase_options::varchar[],
        $min_count::double, $max_count::double, $since::timestamptz, $until::timestamptz, $every::varchar
    )
),

total as (
    select
        step_no, purchase_option, min(place_no) as first_no, min(rank_no) as rank_no, count(*) as offers,
        count(*) filter (price_state = 'stale') as stale_offers, count(distinct provider) as providers
    from placed
    group by step_no, purchase_option
),

first_offer as (
    select placed.*
    from placed
    inner join total
        on placed.step_no = total.step_no and placed.purchase_option = total.purchase_option
        and placed.place_no = total.first_no
    qualify row_number() over (
        partition by placed.step_no, placed.purchase_option
        order by placed.usd_per_hour, placed.last_seen_us desc, placed.provider, placed.region, placed.offer_id
    ) = 1
),

middle as (
    select placed.step_no, placed.purchase_option, median(placed.usd_per_gpu_hour) as usd_per_gpu_hour
    from placed
    inner join total
        on placed.step_no = total.step_no and placed.purchase_option = total.purchase_option
        and placed.rank_no = total.rank_no
    where $stat::varchar = 'median'
    group by placed.step_no, placed.purchase_option
)

select
    make_timestamptz(first_offer.step_us) as step_at, total.purchase_option,
    cast(coalesce(middle.usd_per_gpu_hour, first_offer.usd_per_gpu_hour) as decimal(18, 6)) as usd_per_gpu_hour,
    first_offer.price_state, first_offer.provider as cheapest_provider, total.offers, total.stale_offers, total.providers
from total
inner join first_offer on total.step_no = first_offer.step_no and total.purchase_option = first_offer.purchase_option
left join middle on total.step_no = middle.step_no and total.purchase_option = middle.purchase_option
order by step_at, total.purchase_option;

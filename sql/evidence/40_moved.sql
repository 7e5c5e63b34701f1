-- grain: one row per claim of another price, with how it moved, how the rest of its list did, and what it cost before
-- parameters: source varchar, started_at timestamptz; reads the batch as seen_arrow
create or replace temp table moved as
with move as (
    select *, ln(usd / believed_usd) as change
    from claimed
    where claim = 'price'
),

-- all offers that both the run and the last state have, moved or not
batch_option as (
    select purchase_option, count(*) as offers
    from seen_arrow
    where exists (select 1 from move)
    group by purchase_option
),

fresh_option as (
    select purchase_option, count(*) as offers
    from claimed
    where claim in ('new', 'return')
    group by purchase_option
),

option_total as (
    select
        batch_option.purchase_option,
        batch_option.offers - coalesce(fresh_option.offers, 0) as both_in,
        (select median(change) from move where move.purchase_option = batch_option.purchase_option) as middle,
        (select median(abs(change)) from move where move.purchase_option = batch_option.purchase_option) as size
    from batch_option
    left join fresh_option on batch_option.purchase_option = fresh_option.purchase_option
),

option_move as (
    select
        move.purchase_option,
        count(*) as moved_alike,
        count(distinct move.gpu) as gpus_alike
    from move
    inner join option_total on move.purchase_option = option_total.purchase_option
    where abs(move.change - option_total.middle) < 0.01
    group by move.purchase_option
),

product_total as (
    select product_key, median(change) as middle
    from move
    group by product_key
    having count(*) > 2
),

product_move as (
    select move.product_key, count(*) as moved_alike, count(distinct move.region) as regions_alike
    from move
    inner join product_total on move.product_key = product_total.product_key
    where abs(move.change - product_total.middle) < 0.01
    group by move.product_key
),

-- prices of one place that moved by one factor
region_move as (
    select region, round(change, 2) as step, count(*) as moved_alike, count(distinct gpu) as gpus_alike
    from move
    where abs(change) > 0.1
    group by region, step
),

-- prices that changed places: the new one is another's old one, and the other way round; of two products in one
-- place, of one product in two places, of two ways to buy one machine, or of two providers that one answer speaks for
pair as (
    select
        offer_no,
        abs(change) > 0.02 as is_large,
        unnest([
            hash('whole', provider, region, purchase_option, term, round(usd * gpu_count, 4), round(believed_usd * gpu_count, 4)),
            hash('each', provider, region, purchase_option, term, round(usd, 4), round(believed_usd, 4)),
            hash('place', product_key, gpu_count, round(usd, 4), round(believed_usd, 4)),
            hash('way', region, sku, gpu, gpu_count, round(usd, 4), round(believed_usd, 4))
        ]) as forth,
        unnest([
            hash('whole', provider, region, purchase_option, term, round(believed_usd * gpu_count, 4), round(usd * gpu_count, 4)),
            hash('each', provider, region, purchase_option, term, round(believed_usd, 4), round(usd, 4)),
            hash('place', product_key, gpu_count, round(believed_usd, 4), round(usd, 4)),
            hash('way', region, sku, gpu, gpu_count, round(believed_usd, 4), round(usd, 4))
        ]) as back,
        unnest([hash(gpu, gpu_count), hash(gpu, gpu_count), hash(region), hash(provider, purchase_option, term, tier)]) as differing,
        unnest([false, false, true, false]) as is_of_places,
        unnest([false, false, false, true]) as is_of_ways
    from move
    where abs(change) > 0.001
),

back as (
    select back, min(differing) as least, max(differing) as most from pair group by back
),

crossed as (
    select pair.offer_no, pair.is_of_places, pair.is_of_ways, pair.is_large
    from pair
    inner join back on pair.forth = back.back
    where back.least <> pair.differing or back.most <> pair.differing
),

-- small moves meet by chance, unless most of what moved are two places whose prices changed, or others of the two
-- ways to buy did
exchanged as (
    select offer_no, bool_or(is_of_places) as is_of_places
    from crossed
    where
        is_large
        or is_of_ways and (select bool_or(is_large) from crossed where is_of_ways)
        or is_of_places
        and (select count(distinct offer_no) from crossed where is_of_places)
        >= greatest(4, 0.5 * (select count(*) from move))
    group by offer_no
),

-- prices that slipped into other rows: most of those that moved are what another offer cost before
-- In a long list of small moves many prices meet by chance.
odd_option as (
    select purchase_option from option_total where size > 0.1
),

old_price as (
    select distinct purchase_option, unnest([round(believed_usd, 4), round(believed_usd * gpu_count, 4)]) as usd
    from move
    where purchase_option in (select purchase_option from odd_option)
),

slipped as (
    select move.purchase_option
    from move
    inner join odd_option on move.purchase_option = odd_option.purchase_option
    left join old_price as each on move.purchase_option = each.purchase_option and round(move.usd, 4) = each.usd
    left join old_price as whole
        on move.purchase_option = whole.purchase_option and round(move.usd * move.gpu_count, 4) = whole.usd
    group by move.purchase_option
    having count(*) > 2 and count(coalesce(each.usd, whole.usd)) >= 0.6 * count(*)
),

-- the price of an own identity 7 and 30 days ago, since the last dispute that ended well
settled as (
    select offer_id, max(since_at) as settled_at
    from disputed_price
    where source = $source::varchar and state in ('confirmed', 'accepted')
    group by offer_id
),

base as (
    select
        coalesce(
            (
                select max(checkpoint_at) from price_checkpoint
                where checkpoint_at <= $started_at::timestamptz - interval 30 day
            ),
            '-infinity'::timestamptz
        ) as base_at
),

-- what has stood for 30 days has no other past
younger as (
    select offer_no from move where believed_changed_at > $started_at::timestamptz - interval 30 day
),

past_price as (
    select offer_no, observed_at, amount, upfront_amount, currency, unit
    from price_change
    where
        observed_at > (select base_at from base)
        and amount is not null
        and offer_no in (select offer_no from younger)
    union all
    select offer_no, changed_at, amount, upfront_amount, currency, unit
    from price_checkpoint
    where
        checkpoint_at = (select base_at from base)
        and amount is not null
        and offer_no in (select offer_no from younger)
),

past_usd as (
    select
        move.offer_no,
        past_price.observed_at,
        settled.settled_at,
        usd_double(
            past_price.amount::double, past_price.upfront_amount::double, past_price.unit, move.gpu_count, move.term, 1
        ) / move.gpu_count as usd
    from past_price
    inner join move on past_price.offer_no = move.offer_no
    left join settled on move.offer_id = settled.offer_id
    where past_price.currency = move.currency
),

past as (
    select
        offer_no,
        arg_max(usd, observed_at) filter (
            observed_at <= greatest($started_at::timestamptz - interval 7 day, settled_at)
        ) as usd_7,
        arg_max(usd, observed_at) filter (
            observed_at <= greatest($started_at::timestamptz - interval 30 day, settled_at)
        ) as usd_30,
        arg_min(usd, observed_at) as usd_first,
        arg_max(usd, observed_at) filter (
            observed_at < settled_at and settled_at > $started_at::timestamptz - interval 30 day
        ) as usd_unsettled
    from past_usd
    group by offer_no
)

select
    move.offer_no,
    move.change,
    option_total.both_in as option_both,
    exp(option_total.middle) as option_factor,
    option_move.moved_alike as option_alike,
    option_move.gpus_alike as option_gpus,
    product_move.moved_alike as product_alike,
    region_move.moved_alike as region_alike,
    region_move.gpus_alike as region_gpus,
    product_move.regions_alike as product_regions,
    exchanged.offer_no is not null or slipped.purchase_option is not null as is_exchanged,
    coalesce(exchanged.is_of_places, false) as is_of_places,
    coalesce(past.usd_7, if(younger.offer_no is null, move.believed_usd, null)) as usd_7,
    coalesce(past.usd_30, past.usd_first, if(younger.offer_no is null, move.believed_usd, null)) as usd_30,
    past.usd_unsettled
from move
left join option_total on move.purchase_option = option_total.purchase_option
left join option_move on move.purchase_option = option_move.purchase_option
left join product_move on move.product_key = product_move.product_key
left join region_move
    on move.region = region_move.region
    and round(move.change, 2) = region_move.step
left join exchanged on move.offer_no = exchanged.offer_no
left join slipped on move.purchase_option = slipped.purchase_option
left join younger on move.offer_no = younger.offer_no
left join past on move.offer_no = past.offer_no;

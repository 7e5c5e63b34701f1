-- grain: one row per claim of a run, with every figure that speaks for or against it
-- parameters: source varchar, started_at timestamptz, observed_at timestamptz; reads the batch as seen_arrow
with rate_of_change as (
    select offer_id, ln(usd / believed_usd) as change from claimed where claim = 'price'
),

-- all offers that both the run and the last state have, moved or not
pair as (
    select
        seen.purchase_option,
        coalesce(seen.gpu_id, normalised_label(seen.gpu_label)) as gpu,
        lower(seen.instance_type) as instance_type,
        coalesce(seen.term_months, 0)::double as term,
        lower(seen.region) as region,
        rate_of_change.change
    from seen_arrow as seen
    inner join offer_current as before on seen.offer_id = before.offer_id and before.source = $source::varchar
    left join rate_of_change on seen.offer_id = rate_of_change.offer_id
    where before.amount is not null and exists (select 1 from claimed where claim = 'price')
),

option_total as (
    select purchase_option, count(*) as both_in, median(change) as middle from pair group by all
),

option_move as (
    select
        pair.purchase_option,
        count(*) filter (abs(pair.change - option_total.middle) < 0.01) as moved_alike,
        count(distinct gpu) filter (abs(pair.change - option_total.middle) < 0.01) as gpus_alike
    from pair
    inner join option_total on pair.purchase_option = option_total.purchase_option
    group by all
),

product_total as (
    select
        purchase_option, gpu, instance_type, term, count(*) as both_in, count(distinct region) as regions,
        median(change) as middle
    from pair
    group by all
),

product_move as (
    select
        pair.purchase_option, pair.gpu, pair.instance_type, pair.term,
        count(*) filter (abs(pair.change - product_total.middle) < 0.01) as moved_alike
    from pair
    inner join product_total
        on pair.purchase_option = product_total.purchase_option
        and pair.gpu = product_total.gpu
        and pair.instance_type = product_total.instance_type
        and pair.term = product_total.term
    group by all
),

-- prices that changed places: the new one is another's old one, and the other way round; of two products in one
-- place, or of one product in two places
moved as (
    select * from claimed where claim = 'price' and abs(ln(usd / believed_usd)) > 0.02
),

exchanged as (
    select one.offer_id
    from moved as one
    inner join moved as other
        on one.region = other.region
        and one.provider = other.provider
        and one.purchase_option = other.purchase_option
        and one.term = other.term
        and round(one.usd * one.gpu_count, 4) = round(other.believed_usd * other.gpu_count, 4)
        and round(other.usd * other.gpu_count, 4) = round(one.believed_usd * one.gpu_count, 4)
    where one.gpu <> other.gpu or one.gpu_count <> other.gpu_count
    union
    select one.offer_id
    from moved as one
    inner join moved as other
        on one.region = other.region
        and one.provider = other.provider
        and one.purchase_option = other.purchase_option
        and one.term = other.term
        and round(one.usd, 4) = round(other.believed_usd, 4)
        and round(other.usd, 4) = round(one.believed_usd, 4)
    where one.gpu <> other.gpu or one.gpu_count <> other.gpu_count
    union
    select one.offer_id
    from moved as one
    inner join moved as other
        on one.gpu = other.gpu
        and one.provider = other.provider
        and one.instance_type = other.instance_type
        and one.purchase_option = other.purchase_option
        and one.term = other.term
        and one.gpu_count = other.gpu_count
        and round(one.usd, 4) = round(other.believed_usd, 4)
        and round(other.usd, 4) = round(one.believed_usd, 4)
    where one.region <> other.region
    union
    select one.offer_id
    from moved as one
    inner join moved as other
        on one.region = other.region
        and one.provider = other.provider
        and one.sku = other.sku
        and one.gpu = other.gpu
        and one.gpu_count = other.gpu_count
        and round(one.usd, 4) = round(other.believed_usd, 4)
        and round(other.usd, 4) = round(one.believed_usd, 4)
    where one.purchase_option <> other.purchase_option or one.term <> other.term
),

-- prices that slipped into other rows: most of those that moved are what another offer cost before
old_price as (
    select distinct purchase_option, unnest([round(believed_usd, 4), round(believed_usd * gpu_count, 4)]) as usd
    from claimed
    where claim = 'price'
),

slipped as (
    select claimed.purchase_option
    from claimed
    left join old_price as each on claimed.purchase_option = each.purchase_option and round(claimed.usd, 4) = each.usd
    left join old_price as whole
        on claimed.purchase_option = whole.purchase_option and round(claimed.usd * claimed.gpu_count, 4) = whole.usd
    where claimed.claim = 'price'
    group by claimed.purchase_option
    -- in a long list of small moves many prices meet by chance
    having
        count(*) > 2
        and count(coalesce(each.usd, whole.usd)) >= 0.6 * count(*)
        and median(abs(ln(claimed.usd / claimed.believed_usd))) > 0.1
),

kin as (
    select
        provider, gpu, purchase_option, term,
        min({'usd': usd, 'offer_id': offer_id}, 2) as lowest,
        max({'usd': usd, 'offer_id': offer_id}, 2) as highest
    from known
    where usd is not null and via is null and seen_at > $started_at::timestamptz - interval 90 day
    group by all
),

-- what the provider asks on demand, for a way of buying that nothing else of it is known in
list_price as (
    select provider, gpu, min(usd) as usd
    from known
    where
        usd is not null and via is null and purchase_option = 'on_demand' and term = 0
        and seen_at > $started_at::timestamptz - interval 90 day
    group by all
),

-- the cheapest of each provider and GPU, of which the two lowest are kept: an offer is compared with the others'
market_provider as (
    select gpu, purchase_option, provider, min(usd) as usd
    from known
    where usd is not null and term = 0 and seen_at > $started_at::timestamptz - interval 30 day
    group by all
),

market as (
    select gpu, purchase_option, min({'usd': usd, 'provider': provider}, 2) as lowest, max(usd) as highest
    from market_provider
    group by all
),

-- the newest word of another source about the same offer, and one that agrees with the claim
other as (
    select
        claimed.offer_id,
        arg_max({'usd': known.usd, 'source': known.source, 'seen_at': known.seen_at, 'is_direct': known.is_direct},
            known.seen_at) as newest,
        bool_or(
            abs(ln(known.usd / claimed.usd)) < 0.01
            and known.changed_at > coalesce(claimed.believed_changed_at, $started_at::timestamptz - interval 30 day)
            and known.seen_at > $started_at::timestamptz - interval 30 day
        ) as agrees
    from claimed
    inner join known on claimed.offer_id = known.offer_id and not known.is_own
    where known.usd is not null and claimed.claim <> 'absence'
    group by claimed.offer_id
),

-- the same machine with another count at one price for the whole: a count or a unit was misread
recounted as (
    select claimed.offer_id, any_value(known.gpu_count) as gpu_count, any_value(known.usd * known.gpu_count) as usd_per_hour
    from claimed
    inner join known
        on claimed.provider = known.provider
        and claimed.gpu = known.gpu
        and claimed.purchase_option = known.purchase_option
        and claimed.term = known.term
        and claimed.region = known.region
        and claimed.tier = known.tier
    where
        claimed.claim in ('new', 'return')
        and known.is_own
        and claimed.gpu_count <> known.gpu_count
        and abs(claimed.usd * claimed.gpu_count / (known.usd * known.gpu_count) - 1) < 0.005
    group by claimed.offer_id
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

past_price as (
    select offer_no, observed_at, amount, upfront_amount, currency, unit
    from price_change
    where
        observed_at > (select base_at from base)
        and amount is not null
        and offer_no in (select offer_no from claimed where claim = 'price')
    union all
    select offer_no, changed_at, amount, upfront_amount, currency, unit
    from price_checkpoint
    where
        checkpoint_at = (select base_at from base)
        and amount is not null
        and offer_no in (select offer_no from claimed where claim = 'price')
),

past_usd as (
    select
        claimed.offer_id,
        past_price.observed_at,
        settled.settled_at,
        usd_double(
            past_price.amount::double, past_price.upfront_amount::double, past_price.unit, claimed.gpu_count,
            claimed.term, 1
        ) / claimed.gpu_count as usd
    from past_price
    inner join claimed on past_price.offer_no = claimed.offer_no
    left join settled on claimed.offer_id = settled.offer_id
    where past_price.currency = claimed.currency
),

past as (
    select
        offer_id,
        arg_max(usd, observed_at) filter (
            observed_at <= greatest($started_at::timestamptz - interval 7 day, settled_at)
        ) as usd_7,
        arg_max(usd, observed_at) filter (
            observed_at <= greatest($started_at::timestamptz - interval 30 day, settled_at)
        ) as usd_30,
        arg_min(usd, observed_at) as usd_first
    from past_usd
    group by offer_id
),

-- a list as it stood: how much of each region, GPU and way of buying is gone
standing as (
    select
        lower(offer.region) as region,
        coalesce(offer.gpu_id, normalised_label(offer.gpu_label)) as gpu,
        offer.purchase_option,
        coalesce(offer.term_months, 0)::double as term,
        count(*) as listed,
        count(*) filter (claim.claim = 'absence' and claim.open_claim is distinct from 'absence') as gone
    from offer_current as current
    inner join offer on current.offer_no = offer.offer_no
    left join claim on current.offer_id = claim.offer_id
    where
        current.source = $source::varchar and current.amount is not null and current.availability <> 'unlisted'
        and exists (select 1 from claim where claim = 'absence')
    group by grouping sets (
        (lower(offer.region)),
        (coalesce(offer.gpu_id, normalised_label(offer.gpu_label))),
        (offer.purchase_option),
        (offer.purchase_option, coalesce(offer.term_months, 0)::double),
        ()
    )
),

-- regions that the source had before this run
old_region as (
    select distinct region from known where is_own
),

-- one vanished, one like it appeared: under another name, in another region, or with another GPU's name on it
succession as (
    select
        gone.offer_id as gone_id,
        new.offer_id as new_id,
        new.sku = gone.sku as is_same_sku,
        gone.gpu <> new.gpu as is_relabelled,
        gone.region <> new.region and old_region.region is not null as is_moved,
        new.gpu_count = gone.gpu_count and new.tier = gone.tier as is_like,
        gone.believed_usd,
        abs(ln(new.usd / gone.believed_usd)) as distance
    from claimed as gone
    inner join claimed as new
        on gone.provider = new.provider
        and gone.purchase_option = new.purchase_option
        and gone.term = new.term
        and (
            gone.gpu = new.gpu and (gone.region = new.region or gone.sku = new.sku and gone.gpu_count = new.gpu_count)
            or gone.gpu <> new.gpu and gone.is_mapped
            and gone.sku = new.sku and gone.region = new.region and gone.gpu_count = new.gpu_count
        )
    left join old_region on new.region = old_region.region
    where gone.claim = 'absence' and new.claim = 'new'
),

renamed as (
    select
        gone_id,
        arg_max(new_id, (is_same_sku, -distance, new_id)) as new_id,
        bool_or(distance < 0.01 and not is_relabelled and not is_moved) as is_same_price
    from succession
    group by gone_id
),

-- of what a new offer may be the new name, the price that is nearest to its own
predecessor as (
    select
        new_id,
        arg_min(believed_usd, distance) filter (is_like and not is_relabelled) as usd,
        bool_or(is_relabelled) as is_relabelled,
        bool_or(is_moved and is_same_sku and is_like and distance < 0.01) as is_moved
    from succession
    group by new_id
),

relocated as (
    select count(*) as offers from predecessor where is_moved
),

-- the middle of the batch's own offers of that GPU, for a first answer that nothing else knows
middle as (
    select
        provider, gpu, purchase_option, term, median(usd) as usd, count(*) as offers
    from claimed
    where claim <> 'absence' and usd is not null
    group by all
)

select
    claimed.offer_id,
    claimed.position,
    claimed.claim,
    claimed.provider,
    claimed.instance_type,
    claimed.region,
    claimed.gpu,
    claimed.purchase_option,
    claimed.term,
    claimed.gpu_count,
    claimed.currency,
    claimed.usd,
    claimed.believed_usd,
    epoch(claimed.believed_changed_at) as believed_changed_at,
    claimed.is_as_disputed,
    claimed.is_other_currency,
    claim.was_unlisted,
    claim.open_state,
    claim.open_claim,
    epoch(claim.open_since_at) as open_since_at,
    epoch(claim.open_at) as open_at,
    claim.open_usd::double as open_usd,
    claim.open_is_left_to_operator,
    ln(claimed.usd / claimed.believed_usd) as change,
    option_total.both_in as option_both,
    exp(option_total.middle) as option_factor,
    option_move.moved_alike as option_alike,
    option_move.gpus_alike as option_gpus,
    product_total.both_in as product_both,
    product_total.regions as product_regions,
    product_move.moved_alike as product_alike,
    claimed.offer_id in (select offer_id from exchanged)
    or slipped.purchase_option is not null and claimed.claim = 'price'
    or (coalesce(predecessor.is_moved, false) or claimed.claim in ('price', 'new'))
    and relocated.offers >= 3 as is_exchanged,
    coalesce(predecessor.is_relabelled, false) as is_relabelled,
    predecessor.usd as predecessor_usd,
    list_price.usd as list_usd,
    if(kin.lowest[1].offer_id = claimed.offer_id, kin.lowest[2].usd, kin.lowest[1].usd) as kin_low,
    if(kin.highest[1].offer_id = claimed.offer_id, kin.highest[2].usd, kin.highest[1].usd) as kin_high,
    if(market.lowest[1].provider = claimed.provider, market.lowest[2].usd, market.lowest[1].usd) as market_low,
    market.highest as market_high,
    other.newest.usd as other_usd,
    other.newest.source as other_source,
    epoch(other.newest.seen_at) as other_seen_at,
    other.newest.is_direct as other_is_direct,
    coalesce(other.agrees, false) as other_agrees,
    recounted.gpu_count as recounted_count,
    past.usd_7,
    coalesce(past.usd_30, past.usd_first) as usd_30,
    standing_region.listed as region_listed,
    standing_region.gone as region_gone,
    standing_gpu.listed as gpu_listed,
    standing_gpu.gone as gpu_gone,
    if(standing_option.gone >= standing_option.listed, standing_option.listed, standing_term.listed) as option_listed,
    if(standing_option.gone >= standing_option.listed, standing_option.gone, standing_term.gone) as option_gone,
    standing_all.listed as all_listed,
    standing_all.gone as all_gone,
    renamed.new_id as renamed_to,
    coalesce(renamed.is_same_price, false) as is_renamed_alike,
    middle.usd as middle_usd,
    middle.offers as middle_offers
from claimed
inner join claim on claimed.offer_id = claim.offer_id
left join option_total on claimed.purchase_option = option_total.purchase_option
left join option_move on claimed.purchase_option = option_move.purchase_option
left join product_total
    on claimed.purchase_option = product_total.purchase_option
    and claimed.gpu = product_total.gpu
    and claimed.instance_type = product_total.instance_type
    and claimed.term = product_total.term
left join product_move
    on claimed.purchase_option = product_move.purchase_option
    and claimed.gpu = product_move.gpu
    and claimed.instance_type = product_move.instance_type
    and claimed.term = product_move.term
left join slipped on claimed.purchase_option = slipped.purchase_option
left join kin
    on claimed.provider = kin.provider
    and claimed.gpu = kin.gpu
    and claimed.purchase_option = kin.purchase_option
    and claimed.term = kin.term
left join market
    on if(claimed.term = 0, claimed.gpu, null) = market.gpu and claimed.purchase_option = market.purchase_option
left join other on claimed.offer_id = other.offer_id
left join recounted on claimed.offer_id = recounted.offer_id
left join past on claimed.offer_id = past.offer_id
left join (select * from standing where region is not null) as standing_region
    on if(claimed.claim = 'absence', claimed.region, null) = standing_region.region
left join (select * from standing where gpu is not null) as standing_gpu
    on if(claimed.claim = 'absence', claimed.gpu, null) = standing_gpu.gpu
left join (select * from standing where purchase_option is not null and term is null) as standing_option
    on if(claimed.claim = 'absence', claimed.purchase_option, null) = standing_option.purchase_option
left join (select * from standing where purchase_option is not null and term is not null) as standing_term
    on if(claimed.claim = 'absence', claimed.purchase_option, null) = standing_term.purchase_option
    and claimed.term = standing_term.term
left join (select * from standing where region is null and gpu is null and purchase_option is null) as standing_all
    on true
left join renamed on claimed.offer_id = renamed.gone_id
left join predecessor on claimed.offer_id = predecessor.new_id
cross join relocated
left join list_price on claimed.provider = list_price.provider and claimed.gpu = list_price.gpu
left join middle
    on claimed.provider = middle.provider
    and claimed.gpu = middle.gpu
    and claimed.purchase_option = middle.purchase_option
    and claimed.term = middle.term
order by claimed.position nulls last, claimed.offer_id;

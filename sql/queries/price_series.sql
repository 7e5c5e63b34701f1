-- grain: one row per time step and purchase option at which at least one offer had a price that had not lapsed
-- What `cheapest` as of each step answers (sql/views/30_offers_as_of.sql), for all steps in one reading of the log; a test
-- holds the two equal. Purchase options are never mixed: a spot price is no price for capacity that stays.
-- Times are microseconds since 1970: to add an interval to an instant goes through a calendar, which is slow.
-- parameters: gpu_ids varchar[], providers varchar[], region varchar, tiers varchar[], purchase_options varchar[],
--             min_count double, max_count double, since timestamptz, until timestamptz, every varchar,
--             stat varchar (min: the first in the order of `cheapest`; median: of the prices in the best state there is)
with wanted as materialized (
    select
        offer.offer_no, described.offer_id, described.source, described.source_kind, described.provider, described.region,
        described.purchase_option, described.gpu_count, described.term_months, described.is_doubled, described.is_renamed,
        offer.is_sold,
        described.fresh_for_seconds * 1000000 as fresh_us,
        epoch_us(price_horizon(described.purchase_option, described.tier, described.provider)) as horizon_us
    from (
        -- the same things by other names too, whatever these say
        select
            offer_no,
            is_chosen
            and sells_count(gpu_count, min_gpus, max_gpus, $min_count::double, $max_count::double) as is_sold
        from offer_by_any_name(
            $gpu_ids::varchar[], $providers::varchar[], $region::varchar, $tiers::varchar[], $purchase_options::varchar[],
            null::double, null::double
        )
    ) as offer
    inner join offer_described as described on offer.offer_no = described.offer_no
    -- another source of an offer that is sold takes part in the choice between them
    where described.is_doubled or described.is_renamed or offer.is_sold
),

base as (
    select coalesce(max(checkpoint_at), '-infinity'::timestamptz) as base_at
    from price_checkpoint
    where checkpoint_at <= $since::timestamptz
),

logged as materialized (
    select offer_no, epoch_us(observed_at) as changed_us, run_no, amount, upfront_amount, currency, unit
    from price_change
    where
        ($since::timestamptz is null or observed_at > (select base_at from base))
        and offer_no in (select offer_no from wanted where source_kind <> 'archive')
    union all
    select offer_no, epoch_us(changed_at), run_no, amount, upfront_amount, currency, unit
    from price_checkpoint
    where
        checkpoint_at = (select base_at from base)
        and offer_no in (select offer_no from wanted where source_kind <> 'archive')
),

sight as materialized (
    select
        offer_no, epoch_us(observed_at) as observed_us, amount, upfront_amount, currency, unit,
        epoch_us(seen_until) as seen_until_us, epoch_us(same_until) as same_until_us, epoch_us(next_at) as next_us,
        epoch_us(gone_at) as gone_us, epoch_us(greatest(seen_until, same_until)) as holds_until_us
    from dated_price
    where offer_no in (select offer_no from wanted where source_kind = 'archive')
),

first_event as materialized (
    select make_timestamptz(min(first_us)) as first_at
    from (
        select min(changed_us) as first_us from logged where amount is not null
        union all
        select min(observed_us) from sight where amount is not null
    )
),

-- A step before the first price has no answer: whoever asks from 1970 pays for what there is.
step as materialized (
    select step_at, epoch_us(step_at) as step_us, row_number() over (order by step_at) - 1 as step_no
    from (
        select unnest(
            generate_series(
                coalesce($since::timestamptz, (select date_trunc('day', first_at) from first_event)),
                $until::timestamptz,
                cast($every::varchar as interval)
            )
        ) as step_at
    )
    where step_at >= (select first_at from first_event)
),

-- Steps lie on a grid of hours or days after the first, so that an instant finds the first step from it on by a division.
grid as materialized (
    select
        min(step_us) as first_us, count(*) as step_count,
        if(epoch(cast($every::varchar as interval)) % 86400 = 0, 86400000000, 3600000000) as grid_us
    from step
),

grid_step as materialized (
    select point.grid_no, step.step_no
    from (
        select unnest(range(((select max(step_us) from step) - first_us) // grid_us + 1)) as grid_no, first_us, grid_us
        from grid
    ) as point
    asof inner join step
        on point.first_us + point.grid_no * point.grid_us <= step.step_us
),

-- What a live source logged: of each change the steps at which it was the last.
live_span as (
    select
        logged.* exclude (run_no), grid_step.step_no,
        coalesce(lead(grid_step.step_no) over by_time, grid.step_count) as end_no,
        lead(logged.run_no) over by_time as next_run_no
    from logged
    cross join grid
    left join grid_step
        on greatest(0, ceil((logged.changed_us - grid.first_us) / grid.grid_us))::bigint = grid_step.grid_no
    window by_time as (partition by logged.offer_no order by logged.changed_us)
    qualify grid_step.step_no < end_no
),

-- What else a live source logged, by the steps at which it was the last of its kind: stock that costs an offer its place,
-- and since when its source claims something else than the price that is believed.
event_span as (
    select placed.*
    from (
        select
            event.*, grid_step.step_no,
            coalesce(
                lead(grid_step.step_no) over (
                    partition by event.offer_no, event.is_claim order by event.changed_us, event.run_no
                ),
                grid.step_count
            ) as end_no
        from (
            select offer_no, false as is_claim, epoch_us(observed_at) as changed_us, run_no, availability, null as believed_us
            from stock_change
            where
                ($since::timestamptz is null or observed_at > (select base_at from base))
                and offer_no in (select offer_no from wanted)
            union all
            select offer_no, false, epoch_us(stock_changed_at), run_no, availability, null
            from price_checkpoint
            where
                checkpoint_at = (select base_at from base) and stock_changed_at is not null
                and offer_no in (select offer_no from wanted)
            union all
            select
                wanted.offer_no, true, epoch_us(disputed_price.observed_at), disputed_price.run_no, null,
                if(disputed_price.state in ('disputed', 'rejected'), epoch_us(disputed_price.believed_seen_at), null)
            from disputed_price
            inner join wanted on disputed_price.source = wanted.source and disputed_price.offer_id = wanted.offer_id
        ) as event
        cross join grid
        left join grid_step
            on greatest(0, ceil((event.changed_us - grid.first_us) / grid.grid_us))::bigint = grid_step.grid_no
    ) as placed
    where
        placed.step_no < placed.end_no
        and (placed.availability in ('unlisted', 'sold_out') or placed.believed_us is not null)
),

accepted_run as materialized (
    select source, run_no, epoch_us(observed_at) as run_us
    from scrape_run
    where outcome = 'accepted' and source in (select source from wanted where source_kind <> 'archive')
),

short_stock as (
    select span.offer_no, span.step_no, span.availability, accepted_run.run_us as run_before_absence_us
    from (
        select
            event_span.offer_no, wanted.source, event_span.availability, event_span.changed_us - 1 as seen_limit_us,
            unnest(range(event_span.step_no, event_span.end_no)) as step_no
        from event_span
        inner join wanted on event_span.offer_no = wanted.offer_no
        where not event_span.is_claim
    ) as span
    asof left join accepted_run
        on span.source = accepted_run.source and span.seen_limit_us >= accepted_run.run_us
),

disputed_step as (
    select offer_no, believed_us, unnest(range(step_no, end_no)) as step_no
    from event_span
    where is_claim
),

-- The looks of each source around each step: the last, and the first after it, which confirms what it still shows.
look as materialized (
    select around.source, around.step_no, around.step_us, around.last_run_us, following.run_no as next_run_no
    from (
        select reading.source, reading.step_no, reading.step_us, accepted_run.run_us as last_run_us
        from (
            select one.source, step.* from (select distinct source from accepted_run) as one cross join step
        ) as reading
        asof left join accepted_run
            on reading.source = accepted_run.source and reading.step_us >= accepted_run.run_us
    ) as around
    asof left join accepted_run as following
        on around.source = following.source and around.step_us < following.run_us
),

unlisted_next as (
    select distinct stock_change.offer_no, look.step_no
    from stock_change
    inner join look on stock_change.run_no = look.next_run_no
    where stock_change.availability = 'unlisted' and stock_change.offer_no in (select offer_no from wanted)
),

live_held as (
    select
        held.offer_no, held.step_no, look.step_us, held.changed_us, held.amount, held.upfront_amount, held.currency, held.unit,
        look.next_run_no is not null and look.next_run_no is distinct from held.next_run_no
        and unlisted_next.offer_no is null as is_recorded,
        case
            when held.amount is null then held.changed_us
            when disputed_step.believed_us is not null then greatest(held.changed_us, disputed_step.believed_us)
            when short_stock.availability = 'unlisted' then greatest(held.changed_us, short_stock.run_before_absence_us)
            else greatest(held.changed_us, look.last_run_us)
        end as last_seen_us,
        short_stock.availability
    from (
        select
            live_span.* exclude (step_no, end_no), wanted.source,
            unnest(range(live_span.step_no, live_span.end_no)) as step_no
        from live_span
        inner join wanted on live_span.offer_no = wanted.offer_no
        -- a withdrawal matters to the choice between sources alone
        where live_span.amount is not null or wanted.is_doubled or wanted.is_renamed
    ) as held
    inner join look on held.source = look.source and held.step_no = look.step_no
    left join short_stock on held.offer_no = short_stock.offer_no and held.step_no = short_stock.step_no
    left join disputed_step on held.offer_no = disputed_step.offer_no and held.step_no = disputed_step.step_no
    left join unlisted_next on held.offer_no = unlisted_next.offer_no and held.step_no = unlisted_next.step_no
),

-- What dated lists say: of the rows before a step the one that holds the longest, then the last. A row speaks until a later
-- one holds as long; nearly always that is the next.
outlived as (
    select earlier.offer_no, earlier.observed_us, min(later.observed_us) as end_us
    from (
        select *
        from sight
        qualify holds_until_us > lead(holds_until_us) over (partition by offer_no order by observed_us)
    ) as earlier
    left join sight as later
        on earlier.offer_no = later.offer_no
        and earlier.observed_us < later.observed_us
        and earlier.holds_until_us <= later.holds_until_us
    group by earlier.offer_no, earlier.observed_us
),

dated_span as (
    select spoken.* exclude (end_us), first_step.step_no, coalesce(end_step.step_no, grid.step_count) as end_no
    from (
        select
            sight.*,
            -- at the latest when it has lapsed, whatever else is known
            least(
                if(outlived.offer_no is null, sight.next_us, outlived.end_us),
                greatest(sight.holds_until_us, sight.gone_us) + wanted.horizon_us + 1
            ) as end_us
        from sight
        inner join wanted on sight.offer_no = wanted.offer_no
        left join outlived on sight.offer_no = outlived.offer_no and sight.observed_us = outlived.observed_us
    ) as spoken
    cross join grid
    left join grid_step as first_step
        on greatest(0, ceil((spoken.observed_us - grid.first_us) / grid.grid_us))::bigint = first_step.grid_no
    left join grid_step as end_step
        on greatest(0, ceil((spoken.end_us - grid.first_us) / grid.grid_us))::bigint = end_step.grid_no
    where first_step.step_no < coalesce(end_step.step_no, grid.step_count)
),

dated_step as (
    select span.*, step.step_us
    from (select * exclude (step_no, end_no), unnest(range(step_no, end_no)) as step_no from dated_span) as span
    inner join step on span.step_no = step.step_no
),

dated_held as (
    select
        said.*,
        if(said.amount is null, said.changed_us, greatest(said.changed_us, least(said.seen_until_us, said.step_us)))
            as last_seen_us
    from (
        select
            offer_no, step_no, step_us, seen_until_us,
            if(gone_us <= step_us, gone_us, observed_us) as changed_us,
            if(gone_us <= step_us, null, amount) as amount,
            upfront_amount, currency, unit,
            coalesce(step_us > observed_us and (seen_until_us >= step_us or same_until_us >= step_us), false) as is_recorded
        from (
            select * from dated_step where offer_no not in (select offer_no from outlived)
            union all
            select *
            from dated_step
            where offer_no in (select offer_no from outlived)
            qualify row_number() over (
                partition by offer_no, step_no order by least(holds_until_us, step_us) desc, observed_us desc
            ) = 1
        )
    ) as said
),

held as (
    select
        known.*,
        wanted.* exclude (offer_no, horizon_us),
        price_state(
            known.step_us, known.is_recorded, known.last_seen_us + wanted.fresh_us, known.last_seen_us + wanted.horizon_us,
            coalesce(known.availability = 'unlisted', false), known.availability
        ) as price_state,
        wanted.source_kind = 'live' as is_live
    from (
        select
            offer_no, step_no, step_us, amount, upfront_amount, currency, unit, is_recorded, last_seen_us, availability
        from live_held
        union all
        select offer_no, step_no, step_us, amount, upfront_amount, currency, unit, is_recorded, last_seen_us, null
        from dated_held
    ) as known
    inner join wanted on known.offer_no = wanted.offer_no
),

-- What was seen later by another name of the same thing, and is not confirmed.
outdated as (
    select rival.offer_no, rival.step_no
    from (select * from held where is_renamed and not is_recorded) as rival
    inner join renamed_offer on rival.offer_no = renamed_offer.offer_no
    inner join (select * from held where is_renamed) as other
        on renamed_offer.other_no = other.offer_no and rival.step_no = other.step_no
    where
        yields_to(
            rival.last_seen_us, rival.source_kind, rival.source, rival.fresh_us,
            if(other.is_recorded and other.amount is not null, other.step_us + 1, other.last_seen_us),
            other.source_kind, other.source
        )
),

-- Of several sources that know one offer one speaks, as of the step.
on_sale as (
    select *
    from (
        select * from held where not is_doubled
        union all
        select *
        from held
        where is_doubled
        qualify row_number() over (
            partition by offer_id, step_no order by is_recorded desc, last_seen_us desc, is_live desc, source
        ) = 1
    ) as spoken
    anti join outdated on spoken.offer_no = outdated.offer_no and spoken.step_no = outdated.step_no
    where amount is not null and is_sold and price_state <> 'lapsed'
),

rate_step as (
    select step.step_no, rate.currency, rate.usd_per_unit
    from step
    cross join (select distinct currency from exchange_rate) as traded
    asof inner join (
        select currency, epoch_us(rate_date::timestamp at time zone 'UTC') as rate_us, usd_per_unit from exchange_rate_day
    ) as rate
        on traded.currency = rate.currency and step.step_us >= rate.rate_us
),

-- One number holds state and price, so that one minimum finds the first of each step.
placed as materialized (
    select
        priced.* exclude (gpu_count),
        state_rank(price_state) as rank_no,
        cast(usd_per_hour / gpu_count as decimal(18, 6)) as usd_per_gpu_hour,
        rank_no * 1000000000000000000 + (usd_per_gpu_hour * 1000000)::bigint as place_no
    from (
        select
            on_sale.step_no, on_sale.offer_id, on_sale.provider, on_sale.region, on_sale.purchase_option, on_sale.gpu_count,
            on_sale.price_state, on_sale.last_seen_us,
            usd_per_hour_of(
                on_sale.amount, on_sale.upfront_amount, on_sale.unit, on_sale.gpu_count, on_sale.term_months,
                if(on_sale.currency = 'USD', 1, rate_step.usd_per_unit)
            ) as usd_per_hour
        from on_sale
        left join rate_step on on_sale.currency = rate_step.currency and on_sale.step_no = rate_step.step_no
    ) as priced
    where usd_per_hour is not null
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
    step.step_at, total.purchase_option,
    cast(coalesce(middle.usd_per_gpu_hour, first_offer.usd_per_gpu_hour) as decimal(18, 6)) as usd_per_gpu_hour,
    first_offer.price_state, first_offer.provider as cheapest_provider, total.offers, total.stale_offers, total.providers
from total
inner join step on total.step_no = step.step_no
inner join first_offer on total.step_no = first_offer.step_no and total.purchase_option = first_offer.purchase_option
left join middle on total.step_no = middle.step_no and total.purchase_option = middle.purchase_option
order by step.step_at, total.purchase_option;

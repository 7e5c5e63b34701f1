-- grain: one row per offer wanted (see offer_wanted) and step of time at which it had a price that had not lapsed
-- What `offers --as-of` each step answers (30_offers_as_of.sql), for all steps in one reading of the log; a test holds the
-- two equal. Every series goes by it: `history --every`, the charts, and gpu_price_day.
-- first_at null: the day of the first price. every is an interval, or the text of one.
-- Times are microseconds since 1970: to add an interval to an instant goes through a calendar, which is slow.
create or replace macro offer_step_wanted(gpu_ids, providers, place, tiers, purchase_options, min_count, max_count, first_at, last_at, every) as table
with wanted as materialized (
    select * from offer_rival_wanted(gpu_ids, providers, place, tiers, purchase_options, min_count, max_count)
),

accepted_run as materialized (
    select source, run_no, observed_at, epoch_us(observed_at) as run_us
    from scrape_run
    where outcome = 'accepted' and source in (select source from wanted where source_kind <> 'archive')
),

-- From which state that was written down reading starts, and until which run: the first of each source after the last step.
bound as materialized (
    select
        coalesce(
            (select max(checkpoint_at) from price_checkpoint where checkpoint_at <= first_at::timestamptz),
            '-infinity'::timestamptz
        ) as base_at,
        (
            select coalesce(max(next_at), last_at::timestamptz)
            from (
                select min(observed_at) as next_at from accepted_run where observed_at > last_at::timestamptz group by source
            )
        ) as end_at
),

live_wanted as materialized (
    select offer_no from wanted where source_kind <> 'archive'
),

logged as materialized (
    select offer_no, epoch_us(observed_at) as changed_us, run_no, amount, upfront_amount, currency, unit
    from (
        -- an offer is wanted once; an inner join goes through an array, which a semi join does not
        select price_change.*
        from price_change
        inner join live_wanted on price_change.offer_no = live_wanted.offer_no
    )
    -- outside, so that only the changes of these offers are compared and not the whole log; the first is said twice, so that
    -- planning drops the comparison where no time is given
    where (first_at is null or observed_at > (select base_at from bound)) and observed_at <= (select end_at from bound)
    union all
    select offer_no, epoch_us(changed_at), run_no, amount, upfront_amount, currency, unit
    from price_checkpoint
    where checkpoint_at = (select base_at from bound) and offer_no in (select offer_no from live_wanted)
),

sight as materialized (
    select
        offer_no, epoch_us(observed_at) as observed_us, amount, upfront_amount, currency, unit,
        epoch_us(seen_until) as seen_until_us, epoch_us(same_until) as same_until_us, epoch_us(next_at) as next_us,
        epoch_us(gone_at) as gone_us, epoch_us(greatest(seen_until, same_until)) as holds_until_us
    from dated_price
    where observed_at <= last_at::timestamptz and offer_no in (select offer_no from wanted where source_kind = 'archive')
),

first_event as materialized (
    select make_timestamptz(min(first_us)) as event_at
    from (
        select min(changed_us) as first_us from logged where amount is not null
        union all
        select min(observed_us) from sight where amount is not null
    )
),

-- A step before the first price has no answer: whoever asks from 1970 pays for what there is.
step as materialized (
    select epoch_us(step_at) as step_us, step_no
    from (
        select unnest(steps) as step_at, unnest(range(len(steps))) as step_no
        from (
            select
                steps_between(
                    coalesce(first_at::timestamptz, date_trunc('day', event_at)), last_at::timestamptz,
                    cast(every as interval)
                ) as steps
            from first_event
        )
    )
    where step_at >= (select event_at from first_event)
),

-- Steps lie on a grid of hours or days after the first, so that an instant finds the first step from it on by a division.
grid as materialized (
    select
        min(step_us) as first_us, max(step_no) + 1 as end_no,
        if(epoch(cast(every as interval)) % 86400 = 0, 86400000000, 3600000000) as grid_us
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
live_span as materialized (
    select
        offer_no, changed_us, amount, upfront_amount, currency, unit, step_no,
        coalesce(lead(step_no) over by_step, (select end_no from grid)) as end_no,
        lead(first_run_no) over by_step as next_run_no
    from (
        select
            logged.offer_no, grid_step.step_no, max(logged.changed_us) as changed_us,
            -- one by one: a struct is compared and kept as a string of bytes
            arg_max_null(logged.amount, logged.changed_us) as amount,
            arg_max_null(logged.upfront_amount, logged.changed_us) as upfront_amount,
            arg_max_null(logged.currency, logged.changed_us) as currency,
            arg_max_null(logged.unit, logged.changed_us) as unit,
            arg_min(logged.run_no, logged.changed_us) as first_run_no
        from logged
        cross join grid
        left join grid_step
            on greatest(0, ceil((logged.changed_us - grid.first_us) / grid.grid_us))::bigint = grid_step.grid_no
        group by logged.offer_no, grid_step.step_no
    )
    window by_step as (partition by offer_no order by step_no nulls last)
    qualify step_no < end_no
),

-- What else a live source logged, by the steps at which it was the last of its kind: stock that costs an offer its place,
-- and since when its source claims something else than the price that is believed.
event_span as (
    select *
    from (
        select event.*, grid_step.step_no, coalesce(lead(grid_step.step_no) over by_event, grid.end_no) as end_no
        from (
            select offer_no, false as is_claim, epoch_us(observed_at) as changed_us, run_no, availability, null as believed_us
            from (
                select stock_change.*
                from stock_change
                semi join live_wanted on stock_change.offer_no = live_wanted.offer_no
            )
            where (first_at is null or observed_at > (select base_at from bound)) and observed_at <= (select end_at from bound)
            union all
            select offer_no, false, epoch_us(stock_changed_at), run_no, availability, null
            from price_checkpoint
            where
                checkpoint_at = (select base_at from bound) and stock_changed_at is not null
                and offer_no in (select offer_no from live_wanted)
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
        window by_event as (partition by event.offer_no, event.is_claim order by event.changed_us, event.run_no)
    )
    where step_no < end_no and (is_short(availability) or believed_us is not null)
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

-- What is true of few offers at few steps: short of stock, claimed to be otherwise, absent from the look after the step.
beside as materialized (
    select
        offer_no, step_no, any_value(availability) as availability, any_value(run_before_absence_us) as run_before_absence_us,
        any_value(believed_us) as believed_us, bool_or(is_unlisted_next) as is_unlisted_next
    from (
        select
            span.offer_no, span.step_no, span.availability, accepted_run.run_us as run_before_absence_us,
            null::bigint as believed_us, false as is_unlisted_next
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
        union all
        select offer_no, unnest(range(step_no, end_no)), null, null, believed_us, false
        from event_span
        where is_claim
        union all
        select stock_change.offer_no, look.step_no, null, null, null, true
        from stock_change
        inner join look on stock_change.run_no = look.next_run_no
        where stock_change.availability = 'unlisted' and stock_change.offer_no in (select offer_no from live_wanted)
    )
    group by offer_no, step_no
),

live_held as (
    select
        held.* exclude (source, next_run_no), look.step_us,
        look.next_run_no is not null and look.next_run_no is distinct from held.next_run_no
        and not coalesce(beside.is_unlisted_next, false) as is_recorded,
        case
            when held.amount is null then held.changed_us
            when beside.believed_us is not null then greatest(held.changed_us, beside.believed_us)
            when beside.availability = 'unlisted' then greatest(held.changed_us, beside.run_before_absence_us)
            else greatest(held.changed_us, look.last_run_us)
        end as last_seen_us,
        beside.availability
    from (
        select
            live_span.* exclude (step_no, end_no), wanted.source, wanted.is_contested,
            unnest(range(live_span.step_no, live_span.end_no)) as step_no
        from live_span
        inner join wanted on live_span.offer_no = wanted.offer_no
        -- a withdrawal matters to the choice between sources alone
        where live_span.amount is not null or wanted.is_contested
    ) as held
    inner join look on held.source = look.source and held.step_no = look.step_no
    left join beside on held.offer_no = beside.offer_no and held.step_no = beside.step_no
),

-- What dated lists say: of the rows before a step the one that holds the longest, then the last. A row speaks until a later
-- one holds as long; nearly always that is the next.
outlived as materialized (
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

dated_span as materialized (
    select
        spoken.* exclude (end_us), first_step.step_no, coalesce(end_step.step_no, grid.end_no) as end_no,
        spoken.offer_no in (select offer_no from outlived) as is_outlived
    from (
        select
            sight.*, wanted.is_contested,
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
    where first_step.step_no < coalesce(end_step.step_no, grid.end_no)
),

dated_step as (
    select * exclude (step_no, end_no), unnest(range(step_no, end_no)) as step_no from dated_span where not is_outlived
    union all
    select span.*
    from (
        select * exclude (step_no, end_no), unnest(range(step_no, end_no)) as step_no from dated_span where is_outlived
    ) as span
    inner join step on span.step_no = step.step_no
    qualify row_number() over (
        partition by span.offer_no, span.step_no
        order by least(span.holds_until_us, step.step_us) desc, span.observed_us desc
    ) = 1
),

dated_held as (
    select
        *,
        if(amount is null, changed_us, greatest(changed_us, least(seen_until_us, step_us))) as last_seen_us
    from (
        select
            said.offer_no, said.is_contested, said.step_no, step.step_us, said.seen_until_us,
            if(said.gone_us <= step.step_us, said.gone_us, said.observed_us) as changed_us,
            if(said.gone_us <= step.step_us, null, said.amount) as amount,
            said.upfront_amount, said.currency, said.unit,
            coalesce(
                step.step_us > said.observed_us and (said.seen_until_us >= step.step_us or said.same_until_us >= step.step_us),
                false
            ) as is_recorded
        from dated_step as said
        inner join step on said.step_no = step.step_no
    )
),

held as not materialized (
    select
        known.*,
        wanted.* exclude (offer_no, horizon_us, is_contested),
        price_state(
            known.step_us, known.is_recorded, known.last_seen_us + wanted.fresh_us, known.last_seen_us + wanted.horizon_us,
            coalesce(known.availability = 'unlisted', false), known.availability
        ) as price_state
    from (
        select * exclude (changed_us) from live_held
        union all by name
        select * exclude (changed_us, seen_until_us) from dated_held
    ) as known
    inner join wanted on known.offer_no = wanted.offer_no
),

-- Few offers are known to several sources, or by several names: only these are ranked.
contested as materialized (
    select * from held where is_contested
),

-- What was seen later by another name of the same thing, and is not confirmed.
outdated as (
    select rival.offer_no, rival.step_no
    from (select * from contested where is_renamed and not is_recorded) as rival
    inner join renamed_offer on rival.offer_no = renamed_offer.offer_no
    inner join contested as other on renamed_offer.other_no = other.offer_no and rival.step_no = other.step_no
    where
        yields_to(
            rival.last_seen_us, rival.source_kind, rival.source, rival.fresh_us,
            if(other.is_recorded and other.amount is not null, other.step_us + 1, other.last_seen_us),
            other.source_kind, other.source
        )
),

-- Of several sources that know one offer one speaks, as of the step.
on_sale as (
    select * from held where not is_contested
    union all
    select spoken.*
    from (
        select * from contested where not is_doubled
        union all
        select *
        from contested
        where is_doubled
        qualify row_number() over (
            partition by offer_id, step_no order by is_recorded desc, last_seen_us desc, source_kind = 'live' desc, source
        ) = 1
    ) as spoken
    anti join outdated on spoken.offer_no = outdated.offer_no and spoken.step_no = outdated.step_no
),

rate_step as materialized (
    select step.step_no, rate.currency, rate.usd_per_unit
    from step
    cross join (select distinct currency from exchange_rate) as traded
    asof inner join (
        select currency, epoch_us(rate_date::timestamp at time zone 'UTC') as rate_us, usd_per_unit from exchange_rate_day
    ) as rate
        on traded.currency = rate.currency and step.step_us >= rate.rate_us
)

select
    step_no, step_us, offer_id, gpu_id, provider, region, purchase_option, price_state, last_seen_us, usd_per_hour,
    cast(usd_per_hour / gpu_count as decimal(18, 6)) as usd_per_gpu_hour,
    price_place(price_state, usd_per_gpu_hour) as place_no
from (
    select
        on_sale.*,
        usd_per_hour_of(
            on_sale.amount, on_sale.upfront_amount, on_sale.unit, on_sale.gpu_count, on_sale.term_months,
            if(on_sale.currency = 'USD', 1, rate_step.usd_per_unit)
        ) as usd_per_hour
    from on_sale
    left join rate_step on on_sale.currency = rate_step.currency and on_sale.step_no = rate_step.step_no
    where on_sale.amount is not null and on_sale.is_sold and on_sale.price_state <> 'lapsed'
)
where usd_per_hour is not null;

comment on macro table offer_step_wanted is
    'One row per offer that offer_wanted chooses and step of time at which it was on sale, with its state then; times in microseconds since 1970.';

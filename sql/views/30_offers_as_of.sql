-- grain: scalar; when a price was last seen: by a list until when it has it in force, by a live source at its last look
create or replace macro seen_last(
    kind, is_on_sale, changed_at, listed_until, believed_seen_at, availability, run_before_absence_at, last_run_at
) as case
    when kind = 'archive' and is_on_sale then greatest(changed_at, listed_until)
    when kind = 'archive' or not is_on_sale then changed_at
    when believed_seen_at is not null then greatest(changed_at, believed_seen_at)
    when availability = 'unlisted' then greatest(changed_at, run_before_absence_at)
    else greatest(changed_at, last_run_at)
end;

comment on macro seen_last is 'When a price was last seen, see offer_latest.last_seen_at.';

-- grain: one row per offer that was on sale at a time (null: by the current state), the best observation of it
-- Of several sources that know one offer, the one that saw it last speaks; at equal times a live source goes
-- before an archive. A withdrawal takes part in that choice, so that an old list cannot bring an offer back.
-- gpu_ids chooses accelerators once each offer's last change is found, which goes through an array, and before anything
-- else is joined; null: all offers, unmapped ones too. `gpu_ids is null or` before a subquery would be joined all the same.
-- is_past: whether what is dated later than as_of may confirm a price then; of a time that is now it may not.
-- The inner part carries numbers, and what an offer is (offer_described) is joined outside of it, last: above a `with` DuckDB computes
-- every column, asked for or not.
create or replace macro offers_of_as_of(gpu_ids, as_of, is_past := true) as table
select
    priced.source || ':' || priced.offer_id || ':' || epoch_us(priced.changed_at) as price_id,
    priced.offer_id,
    priced.source,
    priced.source_kind,
    priced.provider,
    priced.via,
    priced.sku,
    priced.instance_type,
    priced.region,
    priced.zone,
    priced.country,
    priced.continent,
    priced.tier,
    priced.gpu_label,
    priced.gpu_id,
    priced.gpu_name,
    priced.gpu_vendor,
    priced.form_factor,
    priced.gpu_count,
    priced.gpu_memory_gib,
    priced.vcpus,
    priced.memory_gib,
    priced.local_storage_gb,
    priced.network,
    priced.min_gpus,
    priced.max_gpus,
    priced.billing_increment_seconds,
    priced.minimum_billing_seconds,
    priced.purchase_option,
    priced.term_months,
    priced.payment,
    priced.operating_system,
    case priced.availability when 'unlisted' then 'unknown' else priced.availability end as availability,
    priced.availability = 'unlisted' as is_unlisted,
    priced.is_recorded,
    priced.amount,
    priced.upfront_amount,
    priced.currency,
    priced.unit,
    priced.usd_per_unit,
    cast(priced.upfront_amount * priced.usd_per_unit as decimal(18, 6)) as upfront_usd,
    priced.usd_per_hour,
    cast(priced.usd_per_hour / priced.gpu_count as decimal(18, 6)) as usd_per_gpu_hour,
    priced.effective_at,
    priced.changed_at as valid_from,
    priced.last_seen_at,
    priced.last_seen_at + to_seconds(priced.fresh_for_seconds) as fresh_until,
    priced.check_source,
    priced.last_seen_at + price_horizon(priced.purchase_option, priced.tier, priced.provider) as lapses_at,
    priced.is_disputed,
    priced.disputed_usd_per_gpu_hour,
    priced.dispute,
    priced.run_no,
    document.sha256 as document_sha256,
    document.url as source_url,
    scrape_run.parser_version
from (
    select
        past.*,
        offer.* exclude (offer_no),
        is_past and if(
            offer.source_kind = 'archive', past.is_listed, look.next_run_at is not null and not past.is_otherwise_next
        ) as is_recorded,
        seen_last(
            offer.source_kind, true, past.changed_at, past.listed_until, past.believed_seen_at, past.availability,
            past.run_before_absence_at, look.last_run_at
        ) as last_seen_at,
        usd.usd_per_unit,
        usd_per_hour_of(
            past.amount, past.upfront_amount, past.unit, offer.gpu_count, offer.term_months, usd.usd_per_unit
        ) as usd_per_hour
    from (
        with base as (
            -- Reading starts at the last state that was written down before that time.
            select
                coalesce(
                    (select max(checkpoint_at) from price_checkpoint where checkpoint_at <= as_of), '-infinity'::timestamptz
                ) as base_at
        ),

        wanted as (
            select offer_no from offer_described where gpu_ids is null or list_contains(gpu_ids, gpu_id)
        ),

        logged as not materialized (
            select
                offer_no, observed_at as changed_at, amount, upfront_amount, currency, unit, effective_at, run_no,
                document_no, null::timestamptz as stock_changed_at, null::varchar as availability
            from price_change
            where observed_at > (select base_at from base) and observed_at <= as_of
            union all
            select
                offer_no, changed_at, amount, upfront_amount, currency, unit, effective_at, run_no,
                document_no, stock_changed_at, availability
            from price_checkpoint
            where checkpoint_at = (select base_at from base)
        ),

        logged_last as not materialized (
            select
                offer_no, max(changed_at) as changed_at, max(stock_changed_at) as stock_changed_at,
                max(availability) as availability
            from logged
            group by offer_no
        ),

        -- planning drops one of the two
        price_at as (
            select * from logged_last where gpu_ids is null
            union all
            select * from logged_last where gpu_ids is not null and offer_no in (select offer_no from wanted)
        ),

        stock_at as (
            select
                offer_no,
                max(observed_at) as stock_changed_at,
                arg_max(availability, observed_at) as availability
            from stock_change
            where observed_at > (select base_at from base) and observed_at <= as_of
            group by offer_no
        ),

        -- What dated lists said at that time: of the rows before it the one that its list has in force the longest, or that
        -- was seen again the latest; else the last. So what was seen twice since goes before a change list. A full snapshot that lacks an offer withdraws it.
        dated as (
            select
                offer_no,
                arg_max(
                    dated_price,
                    (
                        least(if(is_past, greatest(seen_until, same_until), seen_until), coalesce(as_of, 'infinity'::timestamptz)),
                        observed_at
                    )
                ) as said
            from dated_price
            where
                (as_of is null or observed_at <= as_of) and offer_no in (select offer_no from wanted)
            group by offer_no
        ),

        state as (
            select
                offer_no, changed_at, amount, upfront_amount, currency, unit, effective_at, run_no, document_no,
                availability, stock_changed_at, null::timestamptz as listed_until, false as is_listed
            from offer_current
            where
                as_of is null and offer_no in (select offer_no from wanted) and offer_no not in (select offer_no from dated)
            union all
            select
                offer_no,
                if(said.gone_at <= coalesce(as_of, 'infinity'::timestamptz), said.gone_at, said.observed_at),
                if(said.gone_at <= coalesce(as_of, 'infinity'::timestamptz), null, said.amount),
                said.upfront_amount, said.currency, said.unit, said.effective_at, said.run_no, said.document_no, 'unknown',
                said.observed_at,
                least(said.seen_until, coalesce(as_of, 'infinity'::timestamptz)),
                -- a list in force, or a later look at the same price
                coalesce(as_of > said.observed_at and (said.seen_until >= as_of or said.same_until >= as_of), false)
            from dated
            union all
            select
                logged.offer_no, logged.changed_at, logged.amount, logged.upfront_amount, logged.currency, logged.unit,
                logged.effective_at, logged.run_no, logged.document_no,
                coalesce(stock_at.availability, price_at.availability, 'unknown'),
                coalesce(stock_at.stock_changed_at, price_at.stock_changed_at, logged.changed_at), null, false
            from logged
            inner join price_at on logged.offer_no = price_at.offer_no
            left join stock_at on logged.offer_no = stock_at.offer_no
            anti join dated on logged.offer_no = dated.offer_no
            -- no second condition of the join: by the dense offer_no alone it goes into an array
            where as_of is not null and epoch_us(logged.changed_at) - epoch_us(price_at.changed_at) = 0
        ),

        -- The first look after that time confirms what it still shows, at the same price.
        look as (
            select
                source,
                max(observed_at) filter (as_of is null or observed_at <= as_of) as last_run_at,
                min(observed_at) filter (observed_at > as_of) as next_run_at,
                arg_min(run_no, observed_at) filter (observed_at > as_of) as next_run_no
            from scrape_run
            where outcome = 'accepted'
            group by source
        ),

        otherwise_then as (
            select offer_no
            from (
                select offer_no, run_no, observed_at from price_change
                union all
                select offer_no, run_no, observed_at from stock_change where availability = 'unlisted'
            )
            where
                observed_at > as_of and observed_at <= (select max(next_run_at) from look)
                and run_no in (select next_run_no from look)
        ),

        -- One run without the offer: it was last seen by the run before that one.
        before_absence as (
            select absent.offer_no, accepted_run.run_at
            from (
                select state.offer_no, offer.source, state.stock_changed_at - interval 1 microsecond as seen_limit_at
                from state
                inner join offer on state.offer_no = offer.offer_no
                where state.availability = 'unlisted'
            ) as absent
            asof inner join (
                select source, observed_at as run_at
                from scrape_run
                where outcome = 'accepted' and (as_of is null or observed_at <= as_of)
            ) as accepted_run
                on absent.source = accepted_run.source and absent.seen_limit_at >= accepted_run.run_at
        ),

        -- by number, so that what an offer is called is not read
        disputed as (
            select offer.offer_no, claimed.*
            from disputed_as_of(as_of) as claimed
            inner join offer on claimed.source = offer.source and claimed.offer_id = offer.offer_id
        ),

        known as (
            select
                state.*,
                before_absence.run_at as run_before_absence_at,
                disputed.offer_no is not null as is_disputed,
                disputed.usd_per_gpu_hour as disputed_usd_per_gpu_hour,
                disputed.evidence as dispute,
                disputed.believed_seen_at,
                state.offer_no in (select offer_no from otherwise_then) as is_otherwise_next
            from state
            left join before_absence on state.offer_no = before_absence.offer_no
            left join disputed on state.offer_no = disputed.offer_no
        ),

        -- what several sources know, or several lists by names of their own
        rival as (
            select
                doubled.offer_no, doubled.offer_id, doubled.source, doubled.source_kind, doubled.is_doubled,
                doubled.fresh_for_seconds,
                is_past and if(
                    doubled.source_kind = 'archive', known.is_listed,
                    look.next_run_at is not null and not known.is_otherwise_next
                ) as is_recorded,
                known.amount is not null as is_on_sale,
                seen_last(
                    doubled.source_kind, known.amount is not null, known.changed_at, known.listed_until,
                    known.believed_seen_at, known.availability, known.run_before_absence_at, look.last_run_at
                ) as last_seen_at
            from (
                select offer_no, offer_id, source, source_kind, is_doubled, fresh_for_seconds
                from offer_described
                where is_doubled or is_renamed
            ) as doubled
            inner join known on doubled.offer_no = known.offer_no
            left join look on doubled.source = look.source
        ),

        -- Only what several sources know is ranked.
        outspoken as (
            select offer_no
            from rival
            where is_doubled
            qualify row_number() over (
                partition by offer_id order by is_recorded desc, last_seen_at desc, source_kind = 'live' desc, source
            ) > 1
            union all
            -- what is confirmed stands by any name; else the name that was seen later does
            select rival.offer_no
            from renamed_offer
            inner join rival on renamed_offer.offer_no = rival.offer_no
            inner join rival as other on renamed_offer.other_no = other.offer_no
            where
                not rival.is_recorded
                and yields_to(
                    rival.last_seen_at, rival.source_kind, rival.source, to_seconds(rival.fresh_for_seconds),
                    -- what is confirmed is as good as seen then
                    if(other.is_recorded and other.is_on_sale, as_of + interval 1 microsecond, other.last_seen_at),
                    other.source_kind, other.source
                )
        )

        select *
        from known
        anti join outspoken on known.offer_no = outspoken.offer_no
        where amount is not null
    ) as past
    inner join offer_described as offer on past.offer_no = offer.offer_no
    left join (
        select
            source,
            max(observed_at) filter (as_of is null or observed_at <= as_of) as last_run_at,
            min(observed_at) filter (observed_at > as_of) as next_run_at
        from scrape_run
        where outcome = 'accepted'
        group by source
    ) as look on offer.source = look.source
    left join usd_rate(as_of) as usd on past.currency = usd.currency
) as priced
left join document on priced.document_no = document.document_no
left join scrape_run on priced.run_no = scrape_run.run_no;

create or replace macro offers_as_of(as_of) as table
select * from offers_of_as_of(null::varchar[], as_of);

comment on macro table offers_of_as_of is
    'offers_as_of for a list of gpu_id, much quicker than a filter on it; null: all.';

-- grain: one row per offer and time of a dated list
-- parameters: source varchar (null: all of them)
insert into dated_price by name
with first_document as (
    select run_no, min(document_no) as document_no from document group by run_no
),

list as (
    select
        scrape_run.source, price_list.provider, price_list.kind, price_list.covers_from, price_list.covers_until,
        price_list.row_count, first_document.document_no + price_list.document_place as document_no
    from price_list
    inner join scrape_run on price_list.run_no = scrape_run.run_no
    inner join first_document on price_list.run_no = first_document.run_no
),

listed as (
    select
        price_change.*, offer.source, offer.provider,
        lead(price_change.observed_at) over by_time as next_at,
        lead(price_change.amount) over by_time is not distinct from price_change.amount
        and lead(price_change.upfront_amount) over by_time is not distinct from price_change.upfront_amount
        and lead(price_change.currency) over by_time is not distinct from price_change.currency
        and lead(price_change.unit) over by_time is not distinct from price_change.unit as is_same_next,
        lead(price_change.observed_at) over (
            partition by price_change.offer_no, price_change.document_no order by price_change.observed_at
        ) as next_in_list_at
    from price_change
    inner join offer on price_change.offer_no = offer.offer_no
    inner join source on offer.source = source.source
    where source.kind = 'archive' and ($source::varchar is null or offer.source = $source::varchar)
    window by_time as (partition by price_change.offer_no order by price_change.observed_at)
),

placed as (
    select
        listed.*, list.kind, list.row_count,
        coalesce(list.covers_until, listed.observed_at) as covers_until,
        case when list.kind = 'snapshots' then greatest(list.covers_until, listed.observed_at) else 'infinity' end as looked_at
    from listed
    left join list on listed.document_no = list.document_no and listed.provider = list.provider
),

snapshot_list as (
    select source, provider, covers_from, max(covers_until) as covers_until, sum(row_count) as row_count
    from list
    where kind = 'snapshots'
    group by all
)

select
    placed.offer_no, placed.observed_at, placed.amount, placed.upfront_amount, placed.currency, placed.unit,
    placed.effective_at, placed.run_no, placed.document_no,
    if(
        placed.kind = 'changes',
        greatest(placed.observed_at, least(placed.covers_until, coalesce(placed.next_in_list_at, 'infinity'))),
        placed.observed_at
    ) as seen_until,
    if(placed.is_same_next, placed.next_at, null) as same_until,
    placed.next_at,
    -- a file that holds not even half of what the one before did proves no absence
    if(
        following.covers_from is not null and placed.amount is not null
        and (placed.next_at is null or placed.next_at > following.covers_until)
        and 2 * following.row_count >= placed.row_count,
        following.covers_from,
        null
    ) as gone_at
from placed
asof left join snapshot_list as following
    on placed.source = following.source and placed.provider = following.provider
    and placed.looked_at < following.covers_from
order by placed.offer_no, placed.observed_at;

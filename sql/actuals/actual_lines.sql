-- grain: one row per way of matching, kind, machine, place and purchase option: what was paid for a plan, and beside it
-- Each charge is counted once, by the first that holds: the quote's id in a tag, the plan's name in a tag, the same machine
-- in the same time. What else the same provider charged in that time is not planned.
-- parameters: quote_ids varchar[], plan varchar, provider, instance_type, gpu_id, region, purchase_option varchar,
--             since and until timestamptz; named_since timestamptz (null: tags name their plan whenever they were charged)
with matched as (
    select
        *,
        case
            when started_at < $named_since::timestamptz or started_at >= $until::timestamptz then null
            when list_contains($quote_ids::varchar[], tag_quote) then 'receipt'
            when tag_quote is null and tag_plan = lower($plan::varchar) then 'tag'
            when tag_quote is not null or tag_plan is not null then null
            when provider <> $provider::varchar then null
            when started_at < $since::timestamptz then null
            when
                kind = 'gpu'
                and (instance_type = $instance_type::varchar or gpu_id = $gpu_id::varchar)
                and coalesce(purchase_option, $purchase_option::varchar) = $purchase_option::varchar
                and (
                    region is null or $region::varchar = 'global' or region = 'global'
                    or lower($region::varchar) = region or starts_with(region, lower($region::varchar))
                )
                then 'offer'
            else 'not planned'
        end as matched_by
    from actual_charge
)

select
    matched_by, kind, category, is_unused, instance_type, gpu_id, region, purchase_option,
    count(*) as charges,
    min(started_at) as first_at,
    max(ended_at) as last_at,
    sum(gpu_hours) filter (where kind = 'gpu') as gpu_hours,
    sum(usd) as usd,
    sum(list_usd) as list_usd,
    count(*) filter (where usd is null) as unpriced,
    count(*) filter (where kind = 'gpu' and gpu_hours is null and not is_unused) as without_hours,
    sum(usd) filter (where usd_from = 'ledger') as usd_from_ledger
from matched
where matched_by is not null
group by all
order by matched_by, kind, usd desc

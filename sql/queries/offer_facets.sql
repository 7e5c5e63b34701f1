-- grain: one row per facet and value, with how many offers of the view on_sale (on_sale.sql) a choice of it would show:
-- those that all other filters let through
-- parameters: lists as text parted by commas (gpu_ids, providers, regions, tiers, purchase_options, states; null: all),
--             min_gpu_count, max_gpu_count, min_gpu_memory double, max_usd_per_gpu_hour decimal (null: no bound)
with matched as (
    select
        gpu_id, provider, purchase_option, gpu_count, country, continent, price_state, region,
        $gpu_ids::varchar is null or list_contains(string_split($gpu_ids::varchar, ','), gpu_id) as is_card,
        $providers::varchar is null or list_contains(string_split($providers::varchar, ','), provider)
            as is_provider,
        $purchase_options::varchar is null
            or list_contains(string_split($purchase_options::varchar, ','), purchase_option) as is_option,
        sells_count(gpu_count, min_gpus, max_gpus, $min_gpu_count::double, $max_gpu_count::double) as is_count,
        $regions::varchar is null
            or is_in_place(string_split($regions::varchar, ','), region, country, continent) as is_place,
        $states::varchar is null or list_contains(string_split($states::varchar, ','), price_state) as is_state
    from on_sale
    where
        ($tiers::varchar is null or list_contains(string_split($tiers::varchar, ','), tier))
        and ($min_gpu_memory::double is null or gpu_memory_gib >= $min_gpu_memory::double)
        and (
            $max_usd_per_gpu_hour::decimal(18, 6) is null
            or usd_per_gpu_hour <= $max_usd_per_gpu_hour::decimal(18, 6)
        )
),

-- counted once over what all facets share, then summed: the offers are many, their kinds few
kind as (
    select
        gpu_id, provider, purchase_option, gpu_count, country, continent, price_state,
        is_card, is_provider, is_option, is_count, is_place, is_state, count(*) as offers
    from matched
    where is_card::integer + is_provider::integer + is_option::integer + is_count::integer + is_place::integer
        + is_state::integer >= 5
    group by all
)

select 'gpu' as facet, gpu_id as value, null as parent, sum(offers)::integer as offers
from kind
where is_provider and is_option and is_count and is_place and is_state and gpu_id is not null
group by gpu_id
union all
select 'provider', provider, null, sum(offers)::integer
from kind
where is_card and is_option and is_count and is_place and is_state
group by provider
union all
select 'purchase_option', purchase_option, null, sum(offers)::integer
from kind
where is_card and is_provider and is_count and is_place and is_state
group by purchase_option
union all
select 'count', gpu_count::integer::varchar, null, sum(offers)::integer
from kind
where is_card and is_provider and is_option and is_place and is_state and gpu_count >= 1
group by gpu_count::integer
union all
select 'continent', place, null, sum(offers)::integer
from (
    select unnest(string_split(continent, ' ')) as place, offers
    from kind
    where is_card and is_provider and is_option and is_count and is_state and continent is not null
)
group by place
union all
select 'country', country, continent, sum(offers)::integer
from kind
where is_card and is_provider and is_option and is_count and is_state and country is not null
group by country, continent
union all
select 'state', price_state, null, sum(offers)::integer
from kind
where is_card and is_provider and is_option and is_count and is_place
group by price_state
order by 1, 4 desc, 2;

-- grain: scalar; each makes one number of what two offers have in common, so that they are joined by it. The numbers are those
-- of one version of DuckDB, and are not kept; they have 63 bits, since a filter on an Arrow column takes no larger ones.
create or replace macro kin_key(provider, via, gpu, purchase_option, term) as cast(
    hash(provider, via, gpu, purchase_option, term) >> 1 as bigint
);

comment on macro kin_key is
    'Equal for offers of one accelerator at one provider that are bought alike; term in months as double, 0: none.';

create or replace macro list_key(provider, gpu) as cast(hash(provider, gpu) >> 1 as bigint);

comment on macro list_key is 'Equal for offers of one accelerator at one provider.';

create or replace macro product_key(kin_key, instance_type) as cast(hash(kin_key, lower(instance_type)) >> 1 as bigint);

comment on macro product_key is 'Equal for one machine of a provider, bought alike, in its places.';

create or replace macro place_key(kin_key, region, tier) as cast(
    hash(kin_key, lower(region), coalesce(tier, '')) >> 1 as bigint
);

comment on macro place_key is 'Equal for offers of one kin in one place.';

create or replace macro ways_key(list_key, instance_type, region, gpu_count) as cast(
    hash(list_key, lower(instance_type), lower(region), gpu_count) >> 1 as bigint
);

comment on macro ways_key is 'Equal for one machine in one place, however it is bought; gpu_count as double.';

create or replace macro market_key(gpu, purchase_option, term) as if(
    term = 0, cast(hash(gpu, purchase_option) >> 1 as bigint), null
);

comment on macro market_key is
    'Equal for offers of one accelerator at any provider that are bought alike; null for commitments.';

-- grain: one row per source and offer, with the numbers by which it is compared with others
create or replace view offer_key as
select
    offer_no,
    offer_id,
    source,
    provider,
    purchase_option,
    term,
    gpu,
    gpu_count::double as gpu_count,
    lower(sku) as sku,
    lower(region) as region,
    kin_key,
    list_key,
    cast(hash(provider) >> 1 as bigint) as provider_key,
    product_key(kin_key, instance_type) as product_key,
    place_key(kin_key, region, tier) as place_key,
    ways_key(list_key, instance_type, region, gpu_count::double) as ways_key,
    market_key(gpu, purchase_option, term) as market_key,
    cast(hash(purchase_option, term, coalesce(tier, '')) >> 1 as bigint) as way
from (
    select
        *,
        kin_key(provider, via, gpu, purchase_option, term) as kin_key,
        list_key(provider, gpu) as list_key
    from (
        select
            *,
            coalesce(term_months, 0)::double as term,
            coalesce(gpu_id, normalised_label(gpu_label)) as gpu
        from offer
    )
);

comment on view offer_key is 'One row per source and offer, with the numbers by which it is compared with others.';
comment on column offer_key.offer_no is 'Number of the offer in this ledger.';
comment on column offer_key.offer_id is 'Hash of the stable terms; equal for one offer read by several sources.';
comment on column offer_key.source is 'Source that saw it.';
comment on column offer_key.provider is 'Cloud that runs the machine.';
comment on column offer_key.purchase_option is 'on_demand, spot, reserved or capacity_block.';
comment on column offer_key.term is 'Months of a commitment; 0: none.';
comment on column offer_key.gpu is 'Accelerator, or its label where no alias explains it.';
comment on column offer_key.gpu_count is 'Accelerators of the machine.';
comment on column offer_key.sku is 'Product code in small letters.';
comment on column offer_key.region is 'Region in small letters.';
comment on column offer_key.kin_key is 'See kin_key().';
comment on column offer_key.list_key is 'See list_key().';
comment on column offer_key.provider_key is 'Equal for offers of one provider.';
comment on column offer_key.product_key is 'See product_key().';
comment on column offer_key.place_key is 'See place_key().';
comment on column offer_key.ways_key is 'See ways_key().';
comment on column offer_key.market_key is 'See market_key().';
comment on column offer_key.way is 'Equal for offers that are bought alike, of one tier.';

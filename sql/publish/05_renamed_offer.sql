-- grain: one row per offer and another one to which it yields: the same thing on sale, under another name in another list
-- What one document, or one live source, lists side by side are two things. So are machines whose published shapes differ.
insert into renamed_offer
with described as (
    select
        offer.offer_no, offer.offer_id, offer.source, offer.provider, source.kind = 'archive' as is_dated,
        hash(offer.provider, offer.gpu_id, offer.gpu_count) as card,
        hash(
            offer.provider, offer.gpu_id, offer.gpu_count, offer.purchase_option, offer.term_months, offer.payment,
            offer.operating_system, seller(offer.via), plain_tier(offer.tier)
        ) as thing,
        hash(lower(offer.sku)) as name,
        -- how the same product code may be written twice
        hash(
            lower(offer.sku), offer.gpu_label, named_place(offer.region) is null, offer.zone is null, offer.tier is null
        ) as spelling,
        named_place(offer.region) as place, offer.zone, offer.vcpus, offer.memory_gib
    from offer
    inner join source on offer.source = source.source
    where offer.gpu_id is not null
),

-- most things have one name, or all their names of one live source
candidate as (
    select described.*, count(distinct coalesce(place, '')) over (partition by source, thing, name) as places
    from described
    where thing in (
        select thing
        from described
        group by thing
        having count(distinct spelling) > 1 and (min(source) < max(source) or bool_or(is_dated))
    )
),

-- each way in which places agree is a join by equal values of its own: all offers of a thing at once may be thousands
pair as (
    select offer_no, other_no, card, name, other_name, spelling, other_spelling
    from (
        select one.*, other.offer_no as other_no, other.name as other_name, other.spelling as other_spelling,
            other.offer_id as other_id, other.source as other_source, other.zone as other_zone, other.vcpus as other_vcpus,
            other.memory_gib as other_memory_gib, true as has_place
        from candidate as one
        inner join candidate as other on one.thing = other.thing and one.place = other.place
        union all by name
        -- where no place is said, a place that the other names
        select one.*, other.offer_no as other_no, other.name as other_name, other.spelling as other_spelling,
            other.offer_id as other_id, other.source as other_source, other.zone as other_zone, other.vcpus as other_vcpus,
            other.memory_gib as other_memory_gib, false as has_place
        from candidate as one
        inner join candidate as other on one.thing = other.thing
        where one.place is null
        union all by name
        -- one without a place says nothing of a list's places that are priced apart, as a hyperscaler's always are
        select one.*, other.offer_no as other_no, other.name as other_name, other.spelling as other_spelling,
            other.offer_id as other_id, other.source as other_source, other.zone as other_zone, other.vcpus as other_vcpus,
            other.memory_gib as other_memory_gib, false as has_place
        from candidate as one
        inner join candidate as other on one.thing = other.thing
        where
            one.place is not null and one.places = 1 and other.place is null
            and one.provider not in (select provider from provider_segment where segment = 'hyperscaler')
    )
    where
        offer_id <> other_id
        and (source <> other_source or is_dated)
        and (not has_place or coalesce(zone = other_zone, zone is null))
        and coalesce(vcpus = other_vcpus, true)
        and coalesce(memory_gib = other_memory_gib, true)
),

-- which names stand in one document, or with one live source
listed as (
    select distinct named.card, named.name, named.spelling, hash(named.source, dated_price.document_no) as list_key
    from (
        select described.*
        from described
        where
            hash(card, name) in (select hash(card, name) from pair)
            or hash(card, name) in (select hash(card, other_name) from pair)
    ) as named
    left join dated_price on named.offer_no = dated_price.offer_no
),

apart as (
    select distinct one.card, one.name, other.name as other_name, one.spelling, other.spelling as other_spelling
    from listed as one
    inner join listed as other on one.list_key = other.list_key and one.card = other.card
    where one.spelling <> other.spelling
)

select pair.offer_no, pair.other_no
from pair
where
    not exists (
        select 1 from apart
        where
            pair.name <> pair.other_name and apart.card = pair.card
            and apart.name = pair.name and apart.other_name = pair.other_name
    )
    and not exists (
        select 1 from apart
        where apart.card = pair.card and apart.spelling = pair.spelling and apart.other_spelling = pair.other_spelling
    )
order by all;

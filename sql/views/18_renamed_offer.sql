-- grain: one row per offer and another one to which it yields: the same thing on sale, under another name in another list
-- Publishing fills it (sql/publish/05_renamed_offer.sql) before anything is derived. docs/validity.md has the rule.
create or replace table renamed_offer as
select offer_no, offer_no as other_no
from offer
limit 0;

comment on table renamed_offer is
    'One row per offer and other offer that is the same thing on sale under another name of another list, to which it yields once that was seen later.';
comment on column renamed_offer.offer_no is 'The offer.';
comment on column renamed_offer.other_no is 'The same thing by another name.';

-- grain: scalars; what the names of one thing on sale may differ in
create or replace macro named_place(region) as
    if(list_contains(['global', 'any', 'all', 'anywhere', 'worldwide', 'unknown'], lower(region)), null, lower(region));

comment on macro named_place is 'The region that an offer names; null where it says none.';

-- A tier is told only where there are two: a price without one is the plain, secure one.
create or replace macro plain_tier(tier) as coalesce(tier, 'secure');

comment on macro plain_tier is 'The tier of an offer, secure where it names none.';

-- gpurentalprices reads the prices of others and sells nothing; any other aggregator sells at a price of its own.
create or replace macro seller(via) as nullif(via, 'gpurentalprices');

comment on macro seller is 'The aggregator that sells an offer; null: its provider, whoever read the price.';

-- Whether a price last seen at one time gives way to the same thing by another name, seen last at another: the later
-- sight speaks; of one moment a live source before a list, else the source first by name. A live source's own word
-- stands for a tolerance, until it would have looked again.
create or replace macro yields_to(seen_at, kind, source, tolerance, other_seen_at, other_kind, other_source) as
    if(
        kind = 'live',
        other_seen_at > seen_at + tolerance,
        other_seen_at > seen_at
        or other_seen_at = seen_at and (other_kind = 'live' or other_kind = kind and other_source < source)
    );

comment on macro yields_to is
    'Whether a price gives way to that of the same thing by another name, see renamed_offer: the one that was seen later speaks.';

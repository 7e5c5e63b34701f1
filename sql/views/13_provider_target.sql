-- grain: scalars; how long a price of a dated list counts as fresh, and which source would see it anew
-- How long in seconds a price of a dated list counts as fresh: as long as the promptest live source of its provider
-- allows, or of the reseller; 48 hours without one.
create or replace macro provider_target(provider_id, reseller) as
    coalesce(
        (select min(fresh_for_seconds) from source where kind = 'live' and provider = provider_id),
        (select min(fresh_for_seconds) from source where kind = 'live' and provider = reseller),
        172800
    );

-- The promptest live source of a provider: what would see its prices anew.
create or replace macro live_source_of(provider_id) as
    (select arg_min(source, (fresh_for_seconds, source)) from source where kind = 'live' and provider = provider_id);

comment on macro live_source_of is 'The promptest live source of a provider; null without one.';
comment on macro provider_target is
    'Seconds that a price of a dated list counts as fresh: those of the promptest live source of its provider, else 48 hours.';

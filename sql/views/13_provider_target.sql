-- grain: scalar; seconds that a price of a dated list counts as fresh
-- How long in seconds a price of a dated list counts as fresh: as long as the promptest live source of its provider
-- allows, or of the reseller; 48 hours without one.
create or replace macro provider_target(provider_id, reseller) as
    coalesce(
        (select min(fresh_for_seconds) from source where kind = 'live' and provider = provider_id),
        (select min(fresh_for_seconds) from source where kind = 'live' and provider = reseller),
        172800
    );

comment on macro provider_target is
    'Seconds that a price of a dated list counts as fresh: those of the promptest live source of its provider, else 48 hours.';

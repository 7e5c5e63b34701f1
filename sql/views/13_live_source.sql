-- grain: one row per provider with a live source: the promptest of them, to which prices of dated lists are held
create or replace view live_source as
select provider, min(fresh_for_seconds) as fresh_for_seconds
from source
where kind = 'live'
group by provider;

comment on view live_source is
    'One row per provider with a live source: the promptest of them. A price of a dated list is fresh as long as it allows, 48 hours without one.';
comment on column live_source.provider is 'The provider.';
comment on column live_source.fresh_for_seconds is 'How long its prices count as fresh.';

create or replace macro list_target(of_provider, of_reseller) as coalesce(of_provider, of_reseller, 172800);

comment on macro list_target is
    'Seconds that a price of a dated list counts as fresh: of its provider''s live source, else its reseller''s, else 48 hours.';

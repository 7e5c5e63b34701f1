-- grain: one row per provider and region code
create or replace table region (
    provider varchar not null,
    region varchar not null,
    location_name varchar,
    country varchar,
    continent varchar,
    source varchar
);
comment on table region is 'One row per provider and region code.';
comment on column region.provider is 'The provider.';
comment on column region.region is 'Region code of the provider.';
comment on column region.location_name is 'Place as the provider names it.';
comment on column region.country is 'ISO 3166 alpha-2 code.';
comment on column region.continent is 'Two letters: AF AS EU NA OC SA; several, parted by spaces, of a price that holds in each.';
comment on column region.source is 'Where this was read, and when.';

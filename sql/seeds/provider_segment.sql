-- grain: one row per provider whose segment is not neocloud
create or replace table provider_segment (
    provider varchar not null,
    segment varchar not null
);
comment on table provider_segment is 'One row per provider that is not a neocloud: which part of the market it belongs to.';
comment on column provider_segment.provider is 'The provider.';
comment on column provider_segment.segment is 'hyperscaler or marketplace; every provider without a row is a neocloud.';

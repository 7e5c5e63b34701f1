-- grain: one row per provider (empty: any), label and memory (null: any)
create or replace table gpu_alias (
    provider varchar not null,
    gpu_label varchar not null,
    gpu_memory_gib decimal(12, 4),
    gpu_id varchar not null
);
comment on table gpu_alias is 'One row per name under which providers sell an accelerator, the operator''s own included.';
comment on column gpu_alias.provider is 'Provider that uses the name; empty for all.';
comment on column gpu_alias.gpu_label is 'The name.';
comment on column gpu_alias.gpu_memory_gib is 'Memory that tells two accelerators of one name apart, else null.';
comment on column gpu_alias.gpu_id is 'The accelerator.';

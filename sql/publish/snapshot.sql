-- grain: one row, this snapshot
create or replace table snapshot as
select $number::integer as number, $published_at::timestamptz as published_at;
comment on table snapshot is 'One row: the number of this snapshot and when it was published.';

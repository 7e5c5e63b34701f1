-- grain: one row per offer that was on sale at the variable as_of, of the accelerators in the variable past_gpu_ids (null: all)
-- A temporary table: a quote reads its market three times or more, and each reading of the log would take as long
-- as this.
create or replace temporary table offer_past as
select * from offers_of_as_of(getvariable('past_gpu_ids')::varchar[], getvariable('as_of')::timestamptz);

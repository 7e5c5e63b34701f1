-- grain: one row per offer that was on sale at the variable as_of
-- A temporary table: a quote reads its market three times or more, and each reading of the log would take as long
-- as this.
create or replace temporary table offer_past as
select * from offers_as_of(getvariable('as_of')::timestamptz);

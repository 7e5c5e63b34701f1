-- grain: one row, the next time at which the state of a price on sale may change (null: never)
-- parameters: none; reads the temporary view `on_sale` and the variable question_at
select min(changes_at) as changes_at
from (select unnest([fresh_until, lapses_at]) as changes_at from on_sale)
where changes_at >= getvariable('question_at')::timestamptz;

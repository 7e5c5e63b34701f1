-- grain: one row per currency whose rate of a derived day came after that day was derived, and is another than the one it was
-- derived with: the first such day
-- parameters: run_no integer, until_date date: days before it are derived
with late as (
    select currency, rate_date, arg_max(usd_per_unit, run_no) as usd_per_unit
    from exchange_rate
    where run_no > $run_no::integer and rate_date < $until_date::date
    group by currency, rate_date
),

former as (
    select currency, rate_date, arg_max(usd_per_unit, run_no) as usd_per_unit
    from exchange_rate
    where run_no <= $run_no::integer and currency in (select currency from late)
    group by currency, rate_date
)

select late.currency, min(late.rate_date) as from_date
from late
asof left join former
    on late.currency = former.currency and late.rate_date >= former.rate_date
where late.usd_per_unit is distinct from former.usd_per_unit
group by late.currency;

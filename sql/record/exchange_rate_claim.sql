-- grain: one row per rate of a run that is not known yet, with whether it may be believed
-- A day's move of more than a tenth needs a second day. Where all currencies move alike it is the dollar's own rate that
-- was misread: since 1999 it never moved by a twentieth in a day (ECB reference rates).
create or replace temp table rate_claim as
with last_rate as (
    select
        fact.currency, fact.rate_date, arg_max(known.usd_per_unit, known.rate_date) as believed,
        max(known.rate_date) as believed_date
    from fact
    inner join exchange_rate_day as known on fact.currency = known.currency and fact.rate_date >= known.rate_date
    group by all
),

open_dispute as (
    select
        currency,
        arg_max(rate_date, (observed_at, run_no)) as rate_date,
        arg_max(usd_per_unit, (observed_at, run_no)) as usd_per_unit
    from disputed_rate
    group by currency
    having arg_max(state, (observed_at, run_no)) = 'disputed'
),

moved as (
    select
        fact.currency, fact.rate_date, fact.usd_per_unit, last_rate.believed, last_rate.believed_date,
        greatest(1, least(5, fact.rate_date - last_rate.believed_date)) as days,
        ln(fact.usd_per_unit::double / last_rate.believed::double) as move,
        open_dispute.rate_date as open_date,
        open_dispute.usd_per_unit as open_usd_per_unit,
        coalesce(
            open_dispute.rate_date < fact.rate_date
            and abs(ln(fact.usd_per_unit::double / open_dispute.usd_per_unit::double)) < 0.05,
            false
        ) as is_second_day
    from fact
    left join last_rate on fact.currency = last_rate.currency and fact.rate_date = last_rate.rate_date
    left join open_dispute on fact.currency = open_dispute.currency
),

judged as (
    select
        *,
        median(move) over () as common_move,
        abs(move) > 0.0953 * days or (count(*) over () >= 5 and abs(median(move) over ()) > 0.05 * days) as is_too_far
    from moved
)

select
    * exclude (is_too_far),
    coalesce(is_too_far, false) and not is_second_day as is_disputed,
    is_second_day and coalesce(is_too_far, false) as is_confirmed,
    open_date is not null and not is_second_day and not coalesce(is_too_far, false) as is_lapsed
from judged
where believed is null or believed_date <> rate_date or believed <> usd_per_unit::decimal(18, 9);

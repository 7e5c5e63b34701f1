-- grain: one appended row per rate that is disputed for the first time, confirmed, or claimed no more
-- parameters: run_no integer, observed_at timestamptz
insert into disputed_rate by name
select
    $run_no::integer as run_no,
    $observed_at::timestamptz as observed_at,
    currency,
    rate_date,
    usd_per_unit,
    believed as believed_usd_per_unit,
    case when is_disputed then 'disputed' when is_confirmed then 'confirmed' else 'lapsed' end as state,
    format(
        '{} {}: {:.6f} US dollars where {:.6f} held on {} ({:+.0f} %); all currencies together moved by {:+.1f} %',
        currency, rate_date, usd_per_unit::double, believed::double, believed_date, (exp(move) - 1) * 100,
        (exp(common_move) - 1) * 100
    ) as evidence
from rate_claim
where
    (is_disputed and (open_date is distinct from rate_date or open_usd_per_unit is distinct from usd_per_unit::decimal(18, 9)))
    or is_confirmed
    or is_lapsed;

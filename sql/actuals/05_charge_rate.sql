-- grain: one row per currency and day of charge: the exchange rate in force, null where the ledger has none so early
create or replace temp table charge_rate as
with charged as (
    select distinct currency, started_at::date as charged_on
    from formed
    where started_at is not null
)

select
    charged.currency,
    charged.charged_on,
    if(charged.currency = 'USD', 1, arg_max(known.usd_per_unit, known.rate_date)) as usd_per_unit
from charged
left join currency_rate as known on charged.currency = known.currency and known.rate_date <= charged.charged_on
group by charged.currency, charged.charged_on

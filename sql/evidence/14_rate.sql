-- grain: one row per currency: its rate as runs knew it that were complete before this one began, so that a replay computes
-- with the same
-- parameters: started_at timestamptz
select
    exchange_rate.currency,
    arg_max(exchange_rate.usd_per_unit, (exchange_rate.rate_date, exchange_rate.run_no))::double as usd_per_unit
from exchange_rate
inner join scrape_run on exchange_rate.run_no = scrape_run.run_no
where scrape_run.observed_at < $started_at::timestamptz
group by exchange_rate.currency
union all
select 'USD', 1;

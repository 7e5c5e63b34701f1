-- grain: one row per currency, the rate that runs which were complete before a time had brought
-- parameters: started_at timestamptz
select exchange_rate.currency, arg_max(usd_per_unit, (rate_date, exchange_rate.run_no))::double as usd_per_unit
from exchange_rate
inner join scrape_run on exchange_rate.run_no = scrape_run.run_no
where scrape_run.observed_at < $started_at::timestamptz
group by exchange_rate.currency
union all
select 'USD', 1;

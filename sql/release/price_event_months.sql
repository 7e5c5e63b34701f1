-- grain: one row per month with price events
select month, count(*) as row_count from price_event group by month order by month;

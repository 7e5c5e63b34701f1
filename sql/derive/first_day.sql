-- grain: one row, the day of the oldest price (null: none)
select min(observed_at)::date as first_date from price_change;

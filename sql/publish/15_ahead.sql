-- grain: one row where anything recorded is dated later than now, or a list says that it holds until later; else none
-- parameters: now timestamptz
select 1 as is_ahead
where
    (select max(observed_at) from scrape_run) > $now::timestamptz
    or (select greatest(max(observed_at), max(seen_until)) from dated_price) > $now::timestamptz

-- grain: one row per provider, purchase option and age asked for: how often a price of theirs still held at that age
-- From the prices that ended within 400 days and those on sale; what was watched too short a time to tell is left out.
-- parameters: cases varchar, lines of provider, purchase option and hours parted by commas; as_of timestamptz (null: now), after
-- which nothing counts
with line as (
    select
        split_part(line, ',', 1) as provider, split_part(line, ',', 2) as purchase_option,
        split_part(line, ',', 3)::double as age_hours, age_hours(3600 * split_part(line, ',', 3)::double) as age
    from (select unnest(string_split($cases::varchar, chr(10))) as line)
),

asked as (
    select distinct provider, purchase_option, age from line
),

watched as (
    select provider, purchase_option, held_hours, ended_hours, prices
    from price_end_day
    where
        price_date > coalesce($as_of::timestamptz::date, (select max(price_date) from price_end_day)) - 400
        and ($as_of::timestamptz is null or price_date < $as_of::timestamptz::date)
    union all
    select provider, purchase_option, age_hours(epoch(last_seen_at) - epoch(valid_from)), null, 1
    from offer_latest
    where $as_of::timestamptz is null
),

counted as (
    select
        asked.provider, asked.purchase_option, asked.age,
        coalesce(sum(watched.prices) filter (watched.held_hours >= asked.age), 0)::bigint as held,
        sum(watched.prices)::bigint as prices
    from asked
    inner join watched
        on asked.provider = watched.provider and asked.purchase_option = watched.purchase_option
        and (watched.held_hours >= asked.age or watched.ended_hours < asked.age)
    group by all
)

select line.provider, line.purchase_option, line.age_hours, counted.held, counted.prices
from line
inner join counted using (provider, purchase_option, age)
order by line.provider, line.purchase_option, line.age_hours;

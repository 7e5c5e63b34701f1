-- grain: one row per provider, purchase option and age asked for: how often a price of theirs still held at that age
-- Prices that were watched too short a time to tell are left out.
-- parameters: cases varchar, lines of provider, purchase option and hours parted by commas
with asked as (
    select
        split_part(line, ',', 1) as provider, split_part(line, ',', 2) as purchase_option,
        split_part(line, ',', 3)::double as age_hours
    from (select unnest(string_split($cases::varchar, chr(10))) as line)
),

watched as (
    select
        provider, purchase_option,
        (epoch(last_seen_at) - epoch(valid_from)) / 3600 as held_hours,
        if(valid_to < lapses_at, (epoch(valid_to) - epoch(valid_from)) / 3600, null) as ended_hours
    from price_history_wanted(
        null::varchar[], (select list(distinct provider) from asked), null::varchar, null::varchar[],
        (select list(distinct purchase_option) from asked), null::integer, null::integer, null::timestamptz
    )
)

select
    asked.provider, asked.purchase_option, asked.age_hours,
    count(*) filter (watched.held_hours >= asked.age_hours) as held,
    count(*) as prices
from asked
inner join watched
    on asked.provider = watched.provider and asked.purchase_option = watched.purchase_option
    and (watched.held_hours >= asked.age_hours or watched.ended_hours < asked.age_hours)
group by all
order by asked.provider, asked.purchase_option, asked.age_hours;

-- grain: one appended row per UTC day from one date to before another, provider, purchase option and length of a price's life
-- parameters: from_date date, to_date date
insert into price_end_day by name
select
    valid_to::date as price_date,
    provider,
    purchase_option,
    age_hours(epoch(last_seen_at) - epoch(valid_from)) as held_hours,
    if(valid_to < lapses_at and replaced_by is null, age_hours(epoch(valid_to) - epoch(valid_from)), null) as ended_hours,
    count(*)::integer as prices
from price_history_wanted(
    null::varchar[], null::varchar[], null::varchar, null::varchar[], null::varchar[], null::integer, null::integer,
    $from_date::date::timestamp at time zone 'UTC' - interval 1 microsecond
)
where
    valid_to >= $from_date::date::timestamp at time zone 'UTC'
    and valid_to < $to_date::date::timestamp at time zone 'UTC'
group by all
order by all;

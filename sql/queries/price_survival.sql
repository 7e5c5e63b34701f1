-- grain: one row per provider, purchase option and age asked for: the share of their prices that held longer than that
-- The product-limit estimate (Kaplan and Meier 1958, Journal of the American Statistical Association 53, equation 2b): at each
-- age at which prices ended, the share that did not of those watched so long; a price that was seen last, or lapsed, before
-- anybody saw its end counts as long as it was watched. An end lies between the last sight of a price and the first of its
-- successor, and is taken in the middle (midpoint imputation). From the prices that ended within 400 days and those that stand.
-- parameters: cases varchar, lines of provider, purchase option and hours parted by commas; as_of timestamptz (null: now): prices that
-- stood then are watched until then
with line as (
    select
        split_part(line, ',', 1) as provider, split_part(line, ',', 2) as purchase_option,
        split_part(line, ',', 3)::double as age_hours, age_hours(3600 * split_part(line, ',', 3)::double) as age
    from (select unnest(string_split($cases::varchar, chr(10))) as line)
),

asked as (
    select distinct provider, purchase_option, age from line
),

-- began_at: of one that lapsed its horizon lies between its last sight and its end
ended as (
    select
        provider, purchase_option, prices, held_hours, ended_hours,
        price_date::timestamp at time zone 'UTC'
        - coalesce(
            to_hours(ended_hours), to_hours(held_hours) + price_horizon(purchase_option, null::varchar, provider)
        ) as began_at,
        $as_of::timestamptz is null or price_date < $as_of::timestamptz::date as is_over
    from price_end_day
    where
        price_date > coalesce($as_of::timestamptz::date, (select max(price_date) from price_end_day)) - 400
        and (provider, purchase_option) in (select (provider, purchase_option) from asked)
),

-- so many prices, watched for so many hours, and whether they ended then
life as (
    select
        provider, purchase_option, prices,
        case
            when not is_over then least(held_hours, age_hours(epoch($as_of::timestamptz - began_at)))
            when ended_hours is null then held_hours
            else age_hours(3600 * (held_hours + ended_hours) / 2)
        end as hours,
        is_over and ended_hours is not null as is_end
    from ended
    where is_over or began_at < $as_of::timestamptz
    union all
    select
        provider, purchase_option, 1,
        age_hours(epoch(least(last_seen_at, coalesce($as_of::timestamptz, last_seen_at)) - valid_from)), false
    from offer_latest
    where
        ($as_of::timestamptz is null or valid_from < $as_of::timestamptz)
        and (provider, purchase_option) in (select (provider, purchase_option) from asked)
),

-- at each age: how many ended, of how many that were watched so long
age_of_end as (
    select
        provider, purchase_option, hours,
        sum(prices) filter (where is_end) as ends,
        sum(sum(prices)) over (
            partition by provider, purchase_option order by hours desc rows between unbounded preceding and current row
        ) as watched
    from life
    group by provider, purchase_option, hours
),

estimate as (
    select
        asked.provider, asked.purchase_option, asked.age,
        -- none is left where all that were watched ended
        if(
            coalesce(bool_or(ends = watched), false), 0, exp(coalesce(sum(ln(nullif(1 - ends / watched, 0))), 0))
        ) as share
    from asked
    left join age_of_end
        on asked.provider = age_of_end.provider and asked.purchase_option = age_of_end.purchase_option
        and age_of_end.hours <= asked.age
    group by all
),

-- what it rests on: ends until that age, and prices that were watched so long
rest as (
    select
        asked.provider, asked.purchase_option, asked.age,
        coalesce(sum(life.prices) filter (where life.hours > asked.age), 0)::bigint as watched,
        coalesce(sum(life.prices) filter (where life.is_end and life.hours <= asked.age), 0)::bigint as ends
    from asked
    inner join life on asked.provider = life.provider and asked.purchase_option = life.purchase_option
    group by all
)

select line.provider, line.purchase_option, line.age_hours, estimate.share, rest.watched, rest.ends
from line
inner join estimate using (provider, purchase_option, age)
inner join rest using (provider, purchase_option, age)
order by line.provider, line.purchase_option, line.age_hours;

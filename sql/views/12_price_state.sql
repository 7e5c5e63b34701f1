-- grain: scalars; what a price may be relied on for at a time, in which order it may win, and which orders an offer takes
-- The same rule as gpuledger.core.validity; a test holds them equal. docs/validity.md tells it with examples.
create or replace macro is_market_price(purchase_option, tier, provider) as
    purchase_option = 'spot'
    or coalesce(tier = 'community', false)
    -- not `in`: planning makes a join of five values, below which no column is left out
    or coalesce(list_contains(['vast', 'tensordock', 'salad', 'clore', 'akash'], provider), false);

-- 30 and 180 days, in hours: days go through a calendar, which takes four times as long, and in some zones has days of 23 hours.
create or replace macro price_horizon(purchase_option, tier, provider) as
    if(is_market_price(purchase_option, tier, provider), interval 720 hours, interval 4320 hours);

-- the worst state that applies
create or replace macro price_state(instant, is_recorded, fresh_until, lapses_at, is_unlisted, availability) as
    case
        when not is_recorded and lapses_at < instant then 'lapsed'
        when availability = 'sold_out' then 'sold_out'
        when is_unlisted then 'unlisted'
        when is_recorded then 'recorded'
        when fresh_until < instant then 'stale'
        else 'fresh'
    end;

create or replace macro state_rank(state) as
    case state
        when 'fresh' then 0
        when 'recorded' then 0
        when 'stale' then 1
        when 'unlisted' then 2
        when 'sold_out' then 3
        else 4
    end;

-- An age in whole hours, from a week on in whole days: fine enough to compare lives of prices, and few of them.
create or replace macro age_hours(seconds) as
    if(seconds < 604800, floor(seconds / 3600), 24 * floor(seconds / 86400))::integer;

comment on macro age_hours is 'An age of so many seconds in whole hours, from a week on in whole days.';

-- Whether one order can have between least and most accelerators: sold per GPU from min_gpus to max_gpus, else as it is.
create or replace macro sells_count(gpu_count, min_gpus, max_gpus, least, most) as
    if(
        gpu_count = 1 and coalesce(max_gpus, 1) > 1,
        (least is null or max_gpus >= least) and (most is null or coalesce(min_gpus, 1) <= most),
        (least is null or gpu_count >= least) and (most is null or gpu_count <= most)
    );

-- Accelerators of the smallest order of an offer that has at least so many (null: does not matter).
create or replace macro order_gpus(gpu_count, min_gpus, max_gpus, least) as
    if(
        gpu_count = 1 and coalesce(max_gpus, 1) > 1,
        greatest(coalesce(min_gpus, 1), ceil(coalesce(least, 1)))::decimal(12, 4),
        gpu_count
    );

-- Whether an offer is in one of some places, each a region code, an ISO country or a continent in small letters.
create or replace macro is_in_place(places, region, country, continent) as
    list_has_any(
        places,
        list_concat([lower(region), coalesce(lower(country), '')], string_split(coalesce(lower(continent), ''), ' '))
    );

comment on macro is_market_price is
    'Whether the price moves with a market (spot, community tier, marketplace), so that it says little after a month.';
comment on macro price_horizon is 'How long after it was last seen a price lapses: 30 days of market prices, else 180.';
comment on macro price_state is
    'fresh, stale, unlisted, sold_out or lapsed at an instant; recorded about a past one where a later observation confirms it.';
comment on macro state_rank is 'Place of a price_state in the order in which prices may win; 0 first.';
comment on macro sells_count is 'Whether one order of an offer can have between least and most accelerators; null does not bound.';
comment on macro order_gpus is 'Accelerators of the smallest order of an offer that has at least so many: sold per GPU as many as asked for, else an instance''s.';
comment on macro is_in_place is 'Whether an offer lies in one of some places: region codes, ISO countries, continents in small letters.';

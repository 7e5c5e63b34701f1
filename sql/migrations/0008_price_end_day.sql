-- grain: each statement brings or changes one relation, whose comment says its grain
-- How long prices held, so that a stale one can be told what became of others at its age. It follows from the logs.
create table price_end_day (
    price_date date not null,
    provider varchar not null,
    purchase_option varchar not null,
    held_hours integer not null,
    ended_hours integer,
    prices integer not null
);
comment on table price_end_day is
    'One row per UTC day, provider, purchase option and length: prices that ended or lapsed that day.';
comment on column price_end_day.price_date is 'Day on which another price or a withdrawal was seen, or the price lapsed.';
comment on column price_end_day.provider is 'The provider.';
comment on column price_end_day.purchase_option is 'on_demand, spot, reserved or capacity_block.';
comment on column price_end_day.held_hours is
    'From when it was first seen to when it was last seen; whole hours, from a week on whole days.';
comment on column price_end_day.ended_hours is
    'From when it was first seen to when it was seen to be another or gone; null: it lapsed, nobody saw its end.';
comment on column price_end_day.prices is 'Prices of that length.';

delete from derived;

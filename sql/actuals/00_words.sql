-- grain: none: macros that read the words of a bill: numbers, as `core.money.decimal_from` does, and times
-- Commas part thousands in threes; `14,00` and `1.234,50` are refused, and so is any comma of a file whose semicolons say
-- that it may part decimals (variable `decimal_commas`).
create or replace temp macro plain_number(words) as
if(
    not getvariable('decimal_commas') and regexp_matches(words, '^-?[1-9][0-9]{0,2}(,[0-9]{3})+(\.[0-9]*)?$'),
    replace(words, ',', ''),
    if(contains(words, ','), null, words)
);

create or replace temp macro plain_amount(words) as
try_cast(plain_number(trim(replace(words, '$', ''))) as decimal(18, 9));

-- Azure writes `2026-10-05T00:00Z`, with no seconds
create or replace temp macro plain_time(words) as coalesce(
    try_cast(words as timestamptz),
    try_cast(regexp_replace(words, '^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(Z|[+-]\d\d(:?\d\d)?)?$', '\1T\2:00\3') as timestamptz)
);

create or replace temp macro hours_of(quantity, unit) as case
    when unit in ('hours', 'hour', 'hrs', 'hr', 'h', 'instance-hours', '1 hour') then quantity
    when unit in ('seconds', 'second', 's') then quantity / 3600
    when unit in ('minutes', 'minute', 'min') then quantity / 60
    when unit in ('days', 'day') then quantity * 24
end;

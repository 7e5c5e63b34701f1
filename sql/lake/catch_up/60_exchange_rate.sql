-- grain: one appended row per currency and day not known yet
insert into exchange_rate by name
select * exclude (place)
from shared_exchange_rate as new
where not exists (
    select 1 from exchange_rate as known
    where known.currency = new.currency and known.rate_date = new.rate_date
)
qualify row_number() over (partition by new.currency, new.rate_date order by new.run_no, new.place) = 1;

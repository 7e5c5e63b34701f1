-- grain: one appended row per rate of a new run; who recorded it looked whether it is new
insert into exchange_rate by name
select * exclude (place)
from shared_exchange_rate
order by run_no, place;

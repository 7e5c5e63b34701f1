-- grain: one row per provider that an offer was ever of
select distinct provider
from offer
order by provider;

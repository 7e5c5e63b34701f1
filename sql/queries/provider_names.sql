-- grain: one row per provider that an offer was ever of, with how many
select
    provider,
    count(*) as offers
from offer
group by provider
order by provider;

-- grain: one row per source and identity that has more than one row in offer; none is healthy
select source, offer_id, count(*) as offers
from offer
group by all
having count(*) > 1 or count(distinct offer_no) > 1;

-- grain: one row per thing that decides the days of the lists in this ledger, as text
select 'document' as what, document.sha256 as one, scrape_run.source || ' ' || document.context as other
from document
inner join scrape_run on document.run_no = scrape_run.run_no
where scrape_run.outcome = 'accepted'
union all
select 'source', source, provider || ' ' || kind || ' ' || fresh_for_seconds from source
union all
select 'offer', source || ' ' || offer_id, gpu_id from offer
union all
select 'segment', provider, segment from provider_segment
union all
select 'rate', currency || ' ' || rate_date, usd_per_unit::varchar from exchange_rate
order by all;

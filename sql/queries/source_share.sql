-- grain: one row per source whose prices are on sale now, live ones, imported lists and the bundled one
-- parameters: now timestamptz
select
    offer_latest.source,
    offer_latest.source_kind as kind,
    count(*)::integer as offers,
    round(count(*) / sum(count(*)) over (), 4) as share,
    count(*) filter (where offer_latest.fresh_until >= $now::timestamptz)::integer as fresh,
    count(*) filter (where offer_latest.lapses_at < $now::timestamptz)::integer as lapsed,
    max(offer_latest.last_seen_at) as last_seen_at
from offer_latest
group by offer_latest.source, offer_latest.source_kind
order by offers desc, offer_latest.source;

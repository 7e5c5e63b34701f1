-- grain: one dropped table: offer_latest becomes a view on offer_last_seen, which the next publishing makes
drop table if exists offer_latest;

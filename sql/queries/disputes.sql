-- grain: one row per open dispute of a source, an offer or all (target null), the oldest first
-- parameters: target varchar: a source, an offer_id or at least six of its digits, or source:offer_id
select
    source, offer_id, state, claim, since_at, believed_seen_at, usd_per_gpu_hour, believed_usd_per_gpu_hour,
    is_left_to_operator, evidence, document_sha256
from disputed_latest
where
    $target::varchar is null
    or source = $target::varchar
    or length($target::varchar) >= 6 and starts_with(offer_id, $target::varchar)
    or source || ':' || offer_id = $target::varchar
order by since_at, source, offer_id;

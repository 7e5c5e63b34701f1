-- grain: one row per claim of an offer that another source tells too: its newest word, and whether one agrees with the claim
-- parameters: started_at timestamptz; reads claimed and known
with word as (
    select
        claimed.claim_no,
        arg_max(
            {'usd': known.usd, 'source': known.source, 'seen_at': known.seen_at, 'is_direct': known.is_direct},
            known.seen_at
        ) as newest,
        bool_or(
            abs(ln(known.usd / claimed.usd)) < 0.01
            and known.changed_at > coalesce(claimed.believed_changed_at, $started_at::timestamptz - interval 30 day)
            and known.seen_at > $started_at::timestamptz - interval 30 day
        ) as agrees
    from claimed
    inner join known on claimed.offer_id = known.other_offer_id
    where claimed.claim <> 'absence'
    group by claimed.claim_no
)

select
    claim_no,
    newest.usd as other_usd,
    newest.source as other_source,
    newest.seen_at as other_seen_at,
    newest.is_direct as other_is_direct,
    coalesce(agrees, false) as other_agrees
from word;

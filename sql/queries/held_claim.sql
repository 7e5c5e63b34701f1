-- grain: one row per claim that the ledger does not believe, with the time from when on and until when (null: still)
-- A claim that was confirmed or accepted counts from when it was first made, so it is none of them.
-- parameters: sources varchar (parted by commas)
select source, offer_id, since_at, if(arg_max(state, (observed_at, run_no)) = 'lapsed', max(observed_at), null) as end_at
from disputed_price
where list_contains(string_split($sources::varchar, ','), source)
group by source, offer_id, since_at
having arg_max(state, (observed_at, run_no)) not in ('confirmed', 'accepted');

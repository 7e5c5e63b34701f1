-- grain: at most one row, if two offers that days were derived from are one thing now and were not, or the other way round
-- An offer that came since the last derived run changes no day before its own, which follow anew with it.
select 1 as is_otherwise
from (
    (from renamed_before except from renamed_offer)
    union all
    select later.*
    from (from renamed_offer except from renamed_before) as later
    inner join offer as one on later.offer_no = one.offer_no
    inner join offer as other on later.other_no = other.offer_no
    where greatest(one.first_run_no, other.first_run_no) <= (select run_no from derived)
)
limit 1;

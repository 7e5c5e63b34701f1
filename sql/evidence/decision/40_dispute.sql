-- grain: one appended row per dispute that an operator decided
-- parameters: run_no integer, observed_at timestamptz, state varchar, decided_by varchar, reason varchar
insert into disputed_price by name
select
    * replace (
        $observed_at::timestamptz as observed_at,
        $state::varchar as state,
        $decided_by::varchar as decided_by,
        $reason::varchar as decision_reason,
        $run_no::integer as run_no
    )
from decided;

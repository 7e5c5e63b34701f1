-- grain: one row per charge that counts: of one provider, account and day the newest bill says what was paid
-- RunPod bills pods, serverless and volumes apart: a bill of one says nothing of the others.
create or replace temp view actual_charge as
with counted as (
    select
        provider, account, if(provider = 'runpod', service, null) as part, started_at::date as paid_on,
        max(imported_at) as imported_at
    from stored_charge
    group by all
)

select stored_charge.*
from stored_charge
inner join counted
    on stored_charge.provider = counted.provider
    and stored_charge.account is not distinct from counted.account
    and if(stored_charge.provider = 'runpod', stored_charge.service, null) is not distinct from counted.part
    and stored_charge.started_at::date = counted.paid_on
    and stored_charge.imported_at = counted.imported_at

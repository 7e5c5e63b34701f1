-- grain: one row per charge that counts: of one provider, account, part and day the newest bill says what was paid
-- RunPod bills pods, serverless and volumes apart: a bill of one part says nothing of the others.
create or replace temp macro bill_part(provider, service) as if(provider = 'runpod', service, null);

create or replace temp view actual_charge as
select *
from stored_charge
qualify imported_at = max(imported_at) over (
    partition by provider, account, bill_part(provider, service), started_at::date
);

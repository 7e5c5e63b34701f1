-- grain: one row: how many charges of the bills before count no longer once `paid` does
with told as (
    select distinct provider, account, if(provider = 'runpod', service, null) as part, started_at::date as paid_on
    from paid
)

select count(*) as charges
from actual_charge
inner join told
    on actual_charge.provider = told.provider
    and actual_charge.account is not distinct from told.account
    and if(actual_charge.provider = 'runpod', actual_charge.service, null) is not distinct from told.part
    and actual_charge.started_at::date = told.paid_on

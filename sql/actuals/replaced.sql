-- grain: one row: how many charges of the bills before count no longer once `paid` does; after actual_charge.sql
select count(*) as charges
from actual_charge
where (provider, coalesce(account, ''), coalesce(bill_part(provider, service), ''), started_at::date) in (
    select (provider, coalesce(account, ''), coalesce(bill_part(provider, service), ''), started_at::date)
    from paid
);

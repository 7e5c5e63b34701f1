-- grain: each statement changes one table: the cloud for what lists called it, with the tier or way to buy that they said
update offer set
    provider = named.provider,
    tier = coalesce(offer.tier, named.tier),
    purchase_option = coalesce(named.purchase_option, offer.purchase_option)
from named_provider as named
where
    offer.provider = named.former
    and names_option(named.purchase_option, offer.purchase_option, offer.term_months);

-- what a list covers of the cloud is one span then
update price_list set provider = named.provider
from named_provider as named
where price_list.provider = named.former;

create or replace temp table named_list as
select
    * replace (
        min(covers_from) over one as covers_from, max(covers_until) over one as covers_until,
        (sum(row_count) over one)::integer as row_count
    )
from price_list
window one as (partition by run_no, document_place, provider)
qualify row_number() over (partition by run_no, document_place, provider order by kind) = 1;

delete from price_list;
insert into price_list by name from named_list;
delete from derived;

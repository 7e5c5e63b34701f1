-- grain: one row of the temporary table named_provider per provider that a list called by more than its name
-- parameters: former, provider, tier, purchase_option: lists of equal length
create or replace temp table named_provider as
select
    unnest($former::varchar[]) as former, unnest($provider::varchar[]) as provider, unnest($tier::varchar[]) as tier,
    unnest($purchase_option::varchar[]) as purchase_option;

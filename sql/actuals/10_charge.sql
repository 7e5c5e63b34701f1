-- grain: one row per row of the bill, with what it says as numbers, and why it cannot be taken if it cannot
-- parameters: salt varchar, of this home: ids of accounts and resources are kept as hashes of it and them
-- provider (varchar, null: the bill's own)
create or replace temp table charge as
with typed as (
    select
        formed.*,
        try_cast(plain_number(trim(quantity_text)) as decimal(30, 9)) as quantity,
        try_cast(plain_number(trim(gpus_text)) as double) as gpus_told,
        plain_amount(list_text) as list_amount,
        plain_amount(billed_text) as billed_amount,
        plain_amount(coalesce(effective_text, billed_text)) as effective_amount,
        contains(tags, 'gpuledger') as is_tagged,
        coalesce($provider::varchar, nullif(provider_word.provider, '')) as provider
    from formed
    left join provider_word on formed.provider_name = provider_word.word
)

select
    typed.provider,
    if(account is null, null, left(sha256($salt::varchar || account), 16)) as account,
    if(sub_account is null, null, left(sha256($salt::varchar || sub_account), 16)) as sub_account,
    started_at,
    ended_at,
    category,
    coalesce(is_unused, false) as is_unused,
    service_category,
    service,
    machine_text,
    meter_text,
    other_text,
    lower(region) as region,
    zone,
    if(resource is null, null, left(sha256($salt::varchar || resource), 16)) as resource,
    quantity,
    gpus_told,
    lower(unit) as unit,
    purchase_option,
    typed.currency,
    if(typed.currency = 'USD', list_amount, (list_amount::double * usd_per_unit)::decimal(18, 9)) as list_usd,
    if(typed.currency = 'USD', billed_amount, (billed_amount::double * usd_per_unit)::decimal(18, 9)) as billed_usd,
    if(typed.currency = 'USD', effective_amount, (effective_amount::double * usd_per_unit)::decimal(18, 9)) as effective_usd,
    -- of {"key": "value"}, and of [{"key": ..., "value": ...}]; literal, because a pattern that is put together is compiled per row
    if(is_tagged, nullif(regexp_extract(tags, '"(?:user[_:])?gpuledger[-_: ]quote"\s*(?::|,\s*"value"\s*:)\s*"([^"]*)"', 1), ''), null) as tag_quote,
    if(is_tagged, nullif(lower(regexp_extract(tags, '"(?:user[_:])?gpuledger[-_: ]plan"\s*(?::|,\s*"value"\s*:)\s*"([^"]*)"', 1)), ''), null) as tag_plan,
    case
        when typed.provider is null then 'names no provider'
        when started_at is null then 'has no time that can be read'
        when ended_at is null then 'has no end that can be read'
        when ended_at < started_at then 'ends before it begins'
        when started_at < '2000-01-01' or ended_at > '2101-01-01' then 'is of a time before 2000 or after 2100'
        when effective_text = 'not in the report' then 'is under a commitment, whose effective cost the report leaves out'
        when category = 'not known' then 'is of a kind that is not known, so that its sign is not either'
        when category = 'payment' then 'is a payment, no charge'
        when
            (billed_text is not null and billed_amount is null)
            or (coalesce(effective_text, billed_text) is not null and effective_amount is null)
            then 'has a cost that is no plain number below 1e9, such as 1,234.50'
        when coalesce(effective_text, billed_text) is null and quantity is null then 'has neither cost nor quantity'
        when coalesce(effective_amount, billed_amount) is not null and usd_per_unit is null
            then 'is in ' || typed.currency || ', of which the ledger has no exchange rate of that time'
    end as refused
from typed
left join charge_rate
    on typed.currency = charge_rate.currency and typed.started_at::date = charge_rate.charged_on

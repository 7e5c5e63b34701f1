-- grain: one row per offer that the last accepted run of a source showed, in US dollars per GPU-hour
-- parameters: source varchar
select
    current.offer_id,
    cast(
        usd_per_hour_of(
            current.amount, current.upfront_amount, current.unit, offer.gpu_count, offer.term_months,
            coalesce(usd.usd_per_unit, 1)
        ) / offer.gpu_count
        as decimal(18, 6)
    ) as usd_per_gpu_hour
from offer_current as current
inner join offer on current.offer_no = offer.offer_no
left join usd_rate(null) as usd on current.currency = usd.currency
where current.source = $source::varchar and current.amount is not null and current.availability <> 'unlisted';

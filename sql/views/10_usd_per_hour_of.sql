-- grain: scalar; US dollars for the whole instance and hour, an upfront payment spread over the term
-- The same rule as gpuledger.core.published.usd_per_hour; a test holds them equal.
create or replace macro usd_per_hour_of(amount, upfront_amount, unit, gpu_count, term_months, usd_per_unit) as
    if(
        -- most prices are such, and go past the arithmetic of wide decimals
        unit = 'hour' and upfront_amount is null and usd_per_unit = 1,
        amount,
        cast(
            (
                case unit
                    when 'hour' then amount
                    when 'gpu_hour' then amount * gpu_count
                    when 'month' then amount / 730
                    when 'term' then amount / (coalesce(term_months, 1) * 730)
                end
                + coalesce(upfront_amount / (coalesce(term_months, 1) * 730), 0)
            ) * usd_per_unit
            as decimal(18, 6)
        )
    );

-- grain: scalar; usd_per_hour_of in floating point, for comparing thousands of prices and never for stating one
create or replace macro usd_double(amount, upfront_amount, unit, gpu_count, term_months, usd_per_unit) as (
    case unit
        when 'hour' then amount
        when 'gpu_hour' then amount * gpu_count
        when 'month' then amount / 730
        when 'term' then amount / (if(term_months > 0, term_months, 1) * 730)
    end
    + coalesce(upfront_amount / (if(term_months > 0, term_months, 1) * 730), 0)
) * usd_per_unit;

comment on macro usd_double is
    'usd_per_hour_of in floating point, for comparing prices and never for stating one; term_months 0: none.';

-- grain: scalar; a label as it is compared where no alias explains it
create or replace macro normalised_label(label) as trim(regexp_replace(lower(nfc_normalize(label)), '[\s\p{Cf}]+', ' ', 'g'));

comment on macro normalised_label is 'A label as it is compared where no alias explains it.';

-- grain: scalar; a label as a reader sees it, where zero is drawn as the letter, and one as two others
create or replace macro drawn_label(label) as translate(normalised_label(label), '0il5s8b', 'o11ssbb');

comment on macro drawn_label is 'A label with the letters and digits that are drawn alike made one.';

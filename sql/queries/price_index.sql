-- grain: one row per accelerator, segment and UTC day of its index
-- parameters: gpu_ids varchar (parted by commas), purchase_option varchar, segment varchar (all, or one of
-- gpu_price_index), first_date and last_date date (null: open)
select *
from gpu_price_index
where
    list_contains(string_split($gpu_ids::varchar, ','), gpu_id)
    and purchase_option = $purchase_option::varchar
    and coalesce(segment, 'all') = $segment::varchar
    and ($first_date::date is null or price_date >= $first_date::date)
    and ($last_date::date is null or price_date <= $last_date::date)
order by gpu_id, price_date;

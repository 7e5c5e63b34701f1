-- grain: one row per offer of a list, by the id of its price
-- parameters: rows varchar, values of row_no parted by commas; reads the temporary view `on_sale`
select row_no
from on_sale
where row_no in (select unnest(string_split($rows, ',')::bigint[]))
order by price_id;

-- grain: one row per offer that is on sale, in the column names of FOCUS 1.2
select *
from focus_sku_price
where "SkuPriceId" in (select offer_id from offer_latest)
order by "SkuPriceId", "x_ValidFrom";

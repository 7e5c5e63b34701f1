-- grain: one row per offer on sale of a pulled release whose price is less than half or more than twice what another source of
-- this ledger saw of the same offer within 180 days of it, the farthest apart first; of several sources the nearest speaks
with pulled as (
    select offer_id, provider, sku, region, purchase_option, usd_per_gpu_hour, last_seen_at
    from offer_latest
    where source = 'release' and usd_per_gpu_hour > 0
),

own as (
    select history.source, history.offer_id, history.usd_per_gpu_hour, history.last_seen_at
    from price_history as history
    where
        history.source <> 'release' and history.usd_per_gpu_hour > 0
        and history.offer_id in (select offer_id from pulled)
    qualify row_number() over (partition by history.source, history.offer_id order by history.valid_from desc) = 1
),

paired as (
    select
        pulled.* exclude (last_seen_at),
        own.source as own_source, own.usd_per_gpu_hour as own_usd_per_gpu_hour, own.last_seen_at as own_seen_at,
        abs(ln(pulled.usd_per_gpu_hour / own.usd_per_gpu_hour)) as apart
    from pulled
    inner join own
        on pulled.offer_id = own.offer_id and own.last_seen_at >= pulled.last_seen_at - interval 180 day
),

nearest as (
    select * from paired qualify row_number() over (partition by offer_id order by apart, own_source) = 1
)

select * exclude (apart)
from nearest
where apart > ln(2)
order by apart desc, offer_id;

-- grain: one view per table of the log, what the lake holds of it, in the shared form
-- A run counts once, in its first commit, should two machines ever have recorded it.
create or replace temp view held_run as
select run_id, min(snapshot_id) as commit_no from lake.scrape_run group by run_id;

create or replace temp view held_scrape_run as
select kept.*
from lake.scrape_run as kept
inner join held_run on kept.run_id = held_run.run_id and kept.snapshot_id = held_run.commit_no;

create or replace temp view held_document as
select kept.*
from lake.document as kept
inner join held_run on kept.run_id = held_run.run_id and kept.snapshot_id = held_run.commit_no;

create or replace temp view held_offer as
select kept.* exclude (run_id)
from lake.offer as kept
inner join held_run on kept.run_id = held_run.run_id and kept.snapshot_id = held_run.commit_no
qualify row_number() over (partition by kept.source, kept.offer_id order by kept.snapshot_id desc, kept.rowid desc) = 1;

create or replace temp view held_price_change as
select kept.*
from lake.price_change as kept
inner join held_run on kept.run_id = held_run.run_id and kept.snapshot_id = held_run.commit_no
left join (
    select run_id, document_place, max(covers_until) as end_at
    from lake.price_list
    where kind = 'changes'
    group by all
) as list on kept.run_id = list.run_id and kept.document_place = list.document_place
qualify row_number() over (
    partition by kept.source, kept.offer_id, kept.observed_at
    order by kept.amount nulls last, list.end_at desc nulls last, kept.snapshot_id, kept.rowid
) = 1;

create or replace temp view held_stock_change as
select kept.*
from lake.stock_change as kept
inner join held_run on kept.run_id = held_run.run_id and kept.snapshot_id = held_run.commit_no;

create or replace temp view held_skipped_row as
select kept.*
from lake.skipped_row as kept
inner join held_run on kept.run_id = held_run.run_id and kept.snapshot_id = held_run.commit_no;

create or replace temp view held_storage_price as
select kept.*
from lake.storage_price as kept
inner join held_run on kept.run_id = held_run.run_id and kept.snapshot_id = held_run.commit_no;

create or replace temp view held_transfer_price as
select kept.*
from lake.transfer_price as kept
inner join held_run on kept.run_id = held_run.run_id and kept.snapshot_id = held_run.commit_no;

create or replace temp view held_exchange_rate as
select kept.*
from lake.exchange_rate as kept
inner join held_run on kept.run_id = held_run.run_id and kept.snapshot_id = held_run.commit_no;

create or replace temp view held_interruption_band as
select kept.*
from lake.interruption_band as kept
inner join held_run on kept.run_id = held_run.run_id and kept.snapshot_id = held_run.commit_no;

create or replace temp view held_market_sample as
select kept.*
from lake.market_sample as kept
inner join held_run on kept.run_id = held_run.run_id and kept.snapshot_id = held_run.commit_no;

create or replace temp view held_price_list as
select kept.*
from lake.price_list as kept
inner join held_run on kept.run_id = held_run.run_id and kept.snapshot_id = held_run.commit_no;

create or replace temp view held_disputed_price as
select kept.*
from lake.disputed_price as kept
inner join held_run on kept.run_id = held_run.run_id and kept.snapshot_id = held_run.commit_no;

create or replace temp view held_disputed_rate as
select kept.*
from lake.disputed_rate as kept
inner join held_run on kept.run_id = held_run.run_id and kept.snapshot_id = held_run.commit_no;

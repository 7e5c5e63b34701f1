-- grain: the tables of the lake: those of the log in their shared form, without a key, without an update
-- In `offer` a row is the shape that a run gave an offer; the last one holds. In `price_change` a row of a dated list
-- may correct an earlier one of the same offer and time; the lower price holds, and any price before a withdrawal.
create table if not exists lake.scrape_run as from form_scrape_run limit 0;
create table if not exists lake.document as from form_document limit 0;
create table if not exists lake.offer as select ''::varchar as run_id, * from form_offer limit 0;
create table if not exists lake.price_change as from form_price_change limit 0;
create table if not exists lake.stock_change as from form_stock_change limit 0;
create table if not exists lake.skipped_row as from form_skipped_row limit 0;
create table if not exists lake.storage_price as from form_storage_price limit 0;
create table if not exists lake.transfer_price as from form_transfer_price limit 0;
create table if not exists lake.exchange_rate as from form_exchange_rate limit 0;
create table if not exists lake.interruption_band as from form_interruption_band limit 0;
create table if not exists lake.market_sample as from form_market_sample limit 0;
create table if not exists lake.ledger_setting as from ledger_setting limit 0;

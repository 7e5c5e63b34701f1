-- grain: one view per table of the log, its rows as they are shared: by names that hold on every machine
-- A ledger numbers its runs, documents and offers as it meets them. Two machines may not agree on a number without
-- asking each other first; they agree on a run's name, on the place of a document in its run and on an offer's terms.
create or replace temp view form_scrape_run as
select * exclude (run_no) from scrape_run;

create or replace temp view form_document as
select
    scrape_run.run_id,
    cast(
        document.document_no - min(document.document_no) over (partition by document.run_no) as integer
    ) as document_place,
    document.* exclude (document_no, run_no)
from document
inner join scrape_run on document.run_no = scrape_run.run_no;

-- gpu_id follows from the aliases, which every machine reads for itself
create or replace temp view form_offer as
select * exclude (offer_no, gpu_id, first_run_no) from offer;

create or replace temp view form_price_change as
select
    scrape_run.run_id,
    offer.source,
    offer.offer_id,
    price_change.* exclude (offer_no, run_no, document_no),
    cast(price_change.document_no - first_document.document_no as integer) as document_place
from price_change
inner join scrape_run on price_change.run_no = scrape_run.run_no
inner join offer on price_change.offer_no = offer.offer_no
left join (
    select run_no, min(document_no) as document_no from document group by run_no
) as first_document on price_change.run_no = first_document.run_no;

create or replace temp view form_stock_change as
select scrape_run.run_id, offer.source, offer.offer_id, stock_change.* exclude (offer_no, run_no)
from stock_change
inner join scrape_run on stock_change.run_no = scrape_run.run_no
inner join offer on stock_change.offer_no = offer.offer_no;

create or replace temp view form_skipped_row as
select scrape_run.run_id, skipped_row.* exclude (run_no)
from skipped_row
inner join scrape_run on skipped_row.run_no = scrape_run.run_no;

create or replace temp view form_storage_price as
select scrape_run.run_id, storage_price.* exclude (run_no)
from storage_price
inner join scrape_run on storage_price.run_no = scrape_run.run_no;

create or replace temp view form_transfer_price as
select scrape_run.run_id, transfer_price.* exclude (run_no)
from transfer_price
inner join scrape_run on transfer_price.run_no = scrape_run.run_no;

create or replace temp view form_exchange_rate as
select scrape_run.run_id, exchange_rate.* exclude (run_no)
from exchange_rate
inner join scrape_run on exchange_rate.run_no = scrape_run.run_no;

create or replace temp view form_interruption_band as
select scrape_run.run_id, interruption_band.* exclude (run_no)
from interruption_band
inner join scrape_run on interruption_band.run_no = scrape_run.run_no;

create or replace temp view form_market_sample as
select scrape_run.run_id, market_sample.* exclude (run_no)
from market_sample
inner join scrape_run on market_sample.run_no = scrape_run.run_no;

create or replace temp view form_price_list as
select scrape_run.run_id, price_list.* exclude (run_no)
from price_list
inner join scrape_run on price_list.run_no = scrape_run.run_no;

-- gpu_id follows from the aliases
create or replace temp view form_disputed_price as
select scrape_run.run_id, disputed_price.* exclude (run_no, gpu_id)
from disputed_price
inner join scrape_run on disputed_price.run_no = scrape_run.run_no;

create or replace temp view form_disputed_rate as
select scrape_run.run_id, disputed_rate.* exclude (run_no)
from disputed_rate
inner join scrape_run on disputed_rate.run_no = scrape_run.run_no;

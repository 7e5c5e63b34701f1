-- grain: one row per offer that is not withdrawn, with its best last observation
-- Publishing fills it (sql/publish/20_offer_last_seen.sql), so that lookups are one scan. What had lapsed by then is on sale
-- no more: history, and the answer to --state lapsed alone.
create or replace table offer_last_seen as
select * from offers_as_of(null::timestamptz) limit 0;

comment on table offer_last_seen is
    'One row per offer that is not withdrawn, with its best last observation; offer_latest without what has lapsed.';

create or replace view offer_latest as
select * from offer_last_seen where lapses_at >= (select published_at from snapshot);

comment on view offer_latest is
    'One row per offer on sale when this snapshot was published, best observation of it; not what had lapsed by then.';
comment on column offer_latest.price_id is 'Names this observation: source, offer and time; a receipt carries it.';
comment on column offer_latest.offer_id is 'Hash of the stable terms; equal for one offer read by several sources.';
comment on column offer_latest.source is 'Source whose observation this is.';
comment on column offer_latest.source_kind is 'live or archive.';
comment on column offer_latest.provider is 'Cloud that runs the machine.';
comment on column offer_latest.via is 'Aggregator that resells it, if any.';
comment on column offer_latest.sku is 'Product code of the provider.';
comment on column offer_latest.instance_type is 'Machine shape as the provider names it.';
comment on column offer_latest.region is 'Region code of the provider, or global.';
comment on column offer_latest.zone is 'Zone inside the region, if priced apart.';
comment on column offer_latest.country is 'ISO 3166 code of the region''s country.';
comment on column offer_latest.continent is 'AF, AS, EU, NA, OC or SA; several, parted by spaces, of a price that holds in each.';
comment on column offer_latest.tier is 'secure or community where a provider tells them apart.';
comment on column offer_latest.gpu_label is 'Words of the provider for the accelerator, verbatim.';
comment on column offer_latest.gpu_id is 'Accelerator that the label means; null while unmapped.';
comment on column offer_latest.gpu_name is 'Its name for people.';
comment on column offer_latest.gpu_vendor is 'Maker of the chip.';
comment on column offer_latest.form_factor is 'sxm, pcie, nvl and the like.';
comment on column offer_latest.gpu_count is 'Accelerators in one instance; a fraction for slices.';
comment on column offer_latest.gpu_memory_gib is 'Memory of one accelerator, by its data sheet where known.';
comment on column offer_latest.vcpus is 'Virtual CPUs of one instance.';
comment on column offer_latest.memory_gib is 'Host memory of one instance.';
comment on column offer_latest.local_storage_gb is 'Local disk of one instance.';
comment on column offer_latest.network is 'Fabric between nodes as published.';
comment on column offer_latest.min_gpus is 'Least accelerators that one order must have.';
comment on column offer_latest.max_gpus is 'Most accelerators that one order may have.';
comment on column offer_latest.billing_increment_seconds is 'Smallest billed time.';
comment on column offer_latest.minimum_billing_seconds is 'Least billed time of one start.';
comment on column offer_latest.purchase_option is 'on_demand, spot, reserved or capacity_block.';
comment on column offer_latest.term_months is 'Length of the commitment in months of 730 hours.';
comment on column offer_latest.payment is 'no_upfront, partial_upfront or all_upfront where there is a choice.';
comment on column offer_latest.operating_system is 'Only where it changes the price.';
comment on column offer_latest.availability is 'available, limited, sold_out or unknown.';
comment on column offer_latest.is_unlisted is 'Absent from the last run of its source; the next one withdraws it.';
comment on column offer_latest.is_recorded is
    'About a past moment: a later observation, or a change list, confirms the price. False here.';
comment on column offer_latest.amount is 'Price as published, per unit.';
comment on column offer_latest.upfront_amount is 'Paid once at the start of a commitment, as published.';
comment on column offer_latest.currency is 'ISO 4217 code of both amounts.';
comment on column offer_latest.unit is 'hour, gpu_hour, month or term: what amount buys.';
comment on column offer_latest.usd_per_unit is 'US dollars for one unit of the currency; null without a rate.';
comment on column offer_latest.upfront_usd is 'The upfront payment in US dollars.';
comment on column offer_latest.usd_per_hour is 'US dollars for the whole instance and hour, an upfront payment spread.';
comment on column offer_latest.usd_per_gpu_hour is 'The same for one accelerator.';
comment on column offer_latest.effective_at is 'From when the provider says that the price holds.';
comment on column offer_latest.valid_from is 'When this price was first seen.';
comment on column offer_latest.last_seen_at is 'When it was last seen.';
comment on column offer_latest.fresh_until is 'Until when it counts as fresh.';
comment on column offer_latest.lapses_at is 'From when on it is history only: 30 days of market prices, 180 of list prices after last_seen_at.';
comment on column offer_latest.check_source is 'The live source that would see such a price anew: the one that showed it, else one that reads this provider and purchase option, keyless ones first; null: none reads it.';
comment on column offer_latest.is_disputed is
    'Whether its source claims something else that the ledger contradicts; see disputed_latest.';
comment on column offer_latest.disputed_usd_per_gpu_hour is 'The price claimed; null: that it is gone.';
comment on column offer_latest.dispute is 'What contradicts the claim, in one line.';
comment on column offer_latest.run_no is 'Run that saw the change; see scrape_run.';
comment on column offer_latest.document_sha256 is 'Content hash of the bytes that say so; their name in the archive.';
comment on column offer_latest.source_url is 'Address of those bytes.';
comment on column offer_latest.parser_version is 'Version of the adapter that read them.';

comment on column offer_last_seen.price_id is 'Names this observation: source, offer and time; a receipt carries it.';
comment on column offer_last_seen.offer_id is 'Hash of the stable terms; equal for one offer read by several sources.';
comment on column offer_last_seen.source is 'Source whose observation this is.';
comment on column offer_last_seen.source_kind is 'live or archive.';
comment on column offer_last_seen.provider is 'Cloud that runs the machine.';
comment on column offer_last_seen.via is 'Aggregator that resells it, if any.';
comment on column offer_last_seen.sku is 'Product code of the provider.';
comment on column offer_last_seen.instance_type is 'Machine shape as the provider names it.';
comment on column offer_last_seen.region is 'Region code of the provider, or global.';
comment on column offer_last_seen.zone is 'Zone inside the region, if priced apart.';
comment on column offer_last_seen.country is 'ISO 3166 code of the region''s country.';
comment on column offer_last_seen.continent is 'AF, AS, EU, NA, OC or SA; several, parted by spaces, of a price that holds in each.';
comment on column offer_last_seen.tier is 'secure or community where a provider tells them apart.';
comment on column offer_last_seen.gpu_label is 'Words of the provider for the accelerator, verbatim.';
comment on column offer_last_seen.gpu_id is 'Accelerator that the label means; null while unmapped.';
comment on column offer_last_seen.gpu_name is 'Its name for people.';
comment on column offer_last_seen.gpu_vendor is 'Maker of the chip.';
comment on column offer_last_seen.form_factor is 'sxm, pcie, nvl and the like.';
comment on column offer_last_seen.gpu_count is 'Accelerators in one instance; a fraction for slices.';
comment on column offer_last_seen.gpu_memory_gib is 'Memory of one accelerator, by its data sheet where known.';
comment on column offer_last_seen.vcpus is 'Virtual CPUs of one instance.';
comment on column offer_last_seen.memory_gib is 'Host memory of one instance.';
comment on column offer_last_seen.local_storage_gb is 'Local disk of one instance.';
comment on column offer_last_seen.network is 'Fabric between nodes as published.';
comment on column offer_last_seen.min_gpus is 'Least accelerators that one order must have.';
comment on column offer_last_seen.max_gpus is 'Most accelerators that one order may have.';
comment on column offer_last_seen.billing_increment_seconds is 'Smallest billed time.';
comment on column offer_last_seen.minimum_billing_seconds is 'Least billed time of one start.';
comment on column offer_last_seen.purchase_option is 'on_demand, spot, reserved or capacity_block.';
comment on column offer_last_seen.term_months is 'Length of the commitment in months of 730 hours.';
comment on column offer_last_seen.payment is 'no_upfront, partial_upfront or all_upfront where there is a choice.';
comment on column offer_last_seen.operating_system is 'Only where it changes the price.';
comment on column offer_last_seen.availability is 'available, limited, sold_out or unknown.';
comment on column offer_last_seen.is_unlisted is 'Absent from the last run of its source; the next one withdraws it.';
comment on column offer_last_seen.is_recorded is
    'About a past moment: a later observation, or a change list, confirms the price. False here.';
comment on column offer_last_seen.amount is 'Price as published, per unit.';
comment on column offer_last_seen.upfront_amount is 'Paid once at the start of a commitment, as published.';
comment on column offer_last_seen.currency is 'ISO 4217 code of both amounts.';
comment on column offer_last_seen.unit is 'hour, gpu_hour, month or term: what amount buys.';
comment on column offer_last_seen.usd_per_unit is 'US dollars for one unit of the currency; null without a rate.';
comment on column offer_last_seen.upfront_usd is 'The upfront payment in US dollars.';
comment on column offer_last_seen.usd_per_hour is 'US dollars for the whole instance and hour, an upfront payment spread.';
comment on column offer_last_seen.usd_per_gpu_hour is 'The same for one accelerator.';
comment on column offer_last_seen.effective_at is 'From when the provider says that the price holds.';
comment on column offer_last_seen.valid_from is 'When this price was first seen.';
comment on column offer_last_seen.last_seen_at is 'When it was last seen.';
comment on column offer_last_seen.fresh_until is 'Until when it counts as fresh.';
comment on column offer_last_seen.lapses_at is 'From when on it is history only: 30 days of market prices, 180 of list prices after last_seen_at.';
comment on column offer_last_seen.check_source is 'The live source that would see such a price anew: the one that showed it, else one that reads this provider and purchase option, keyless ones first; null: none reads it.';
comment on column offer_last_seen.is_disputed is
    'Whether its source claims something else that the ledger contradicts; see disputed_latest.';
comment on column offer_last_seen.disputed_usd_per_gpu_hour is 'The price claimed; null: that it is gone.';
comment on column offer_last_seen.dispute is 'What contradicts the claim, in one line.';
comment on column offer_last_seen.run_no is 'Run that saw the change; see scrape_run.';
comment on column offer_last_seen.document_sha256 is 'Content hash of the bytes that say so; their name in the archive.';
comment on column offer_last_seen.source_url is 'Address of those bytes.';
comment on column offer_last_seen.parser_version is 'Version of the adapter that read them.';

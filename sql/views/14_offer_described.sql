-- grain: one row per offer: its terms, its accelerator, its place, and by which target its price ages
-- Publishing fills it (sql/publish/10_offer_described.sql), so that a question about the past joins one relation instead
-- of six. Its columns say here what they hold, once: to bind that many comments takes longer than a small publishing.
create or replace table offer_described as
select
    offer.* exclude (gpu_memory_gib),
    null::decimal(12, 4) as gpu_memory_gib,
    gpu.name as gpu_name,
    gpu.vendor as gpu_vendor,
    gpu.form_factor,
    region.country,
    region.continent,
    source.kind as source_kind,
    source.fresh_for_seconds,
    source.source as check_source,
    false as is_doubled,
    false as is_renamed
from offer
cross join gpu
cross join region
cross join source
limit 0;

comment on table offer_described is 'One row per offer: its terms, accelerator and place, and by which target its price ages.';
comment on column offer_described.offer_no is 'Number of the offer in this ledger, used by the logs.';
comment on column offer_described.offer_id is
    'Hash of the stable terms; equal for one offer read by several sources.';
comment on column offer_described.source is 'Source that saw it.';
comment on column offer_described.provider is 'Cloud that runs the machine.';
comment on column offer_described.via is 'Aggregator that resells it, if any.';
comment on column offer_described.sku is 'Product code of the provider.';
comment on column offer_described.instance_type is 'Machine shape as the provider names it.';
comment on column offer_described.region is 'Region code of the provider, or global.';
comment on column offer_described.zone is 'Zone inside the region, if priced apart.';
comment on column offer_described.tier is 'secure or community where a provider tells them apart.';
comment on column offer_described.gpu_label is 'Words of the provider for the accelerator, verbatim.';
comment on column offer_described.gpu_count is 'Accelerators in one instance; a fraction for slices.';
comment on column offer_described.purchase_option is 'on_demand, spot, reserved or capacity_block.';
comment on column offer_described.term_months is 'Length of the commitment in months of 730 hours.';
comment on column offer_described.payment is 'no_upfront, partial_upfront or all_upfront where there is a choice.';
comment on column offer_described.operating_system is 'Only where it changes the price.';
comment on column offer_described.gpu_id is
    'Accelerator that the label means; derived from the aliases, null while unmapped.';
comment on column offer_described.vcpus is 'Virtual CPUs of one instance.';
comment on column offer_described.memory_gib is 'Host memory of one instance.';
comment on column offer_described.local_storage_gb is 'Local disk of one instance.';
comment on column offer_described.network is 'Fabric between nodes as published.';
comment on column offer_described.min_gpus is 'Least accelerators that one order must have.';
comment on column offer_described.max_gpus is 'Most accelerators that one order may have.';
comment on column offer_described.billing_increment_seconds is 'Smallest billed time.';
comment on column offer_described.minimum_billing_seconds is 'Least billed time of one start.';
comment on column offer_described.first_run_no is 'Run that saw it first.';
comment on column offer_described.gpu_memory_gib is 'Memory of one accelerator as the provider states it.';
comment on column offer_described.gpu_name is 'Its name for people.';
comment on column offer_described.gpu_vendor is 'Maker of the chip.';
comment on column offer_described.form_factor is 'sxm, pcie, nvl and the like.';
comment on column offer_described.country is 'ISO 3166 code of the region''s country.';
comment on column offer_described.continent is
    'AF, AS, EU, NA, OC or SA; several, parted by spaces, of a price that holds in each.';
comment on column offer_described.source_kind is 'live or archive.';
comment on column offer_described.fresh_for_seconds is 'How long a price of it counts as fresh after it was seen.';
comment on column offer_described.check_source is 'The live source that would see such a price anew: the one that showed it, else one that reads this provider and purchase option, keyless ones first; null: none reads it.';
comment on column offer_described.is_doubled is
    'Whether several sources know it, so that the one that saw it last speaks.';
comment on column offer_described.is_renamed is
    'Whether another list knows the same thing by another name, see renamed_offer.';

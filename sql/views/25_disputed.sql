-- grain: one row per source and offer with an open dispute at a time (null: now): a claim that does not count
create or replace macro disputed_as_of(as_of) as table
select *
from (
    select *
    from disputed_price
    where as_of is null or observed_at <= as_of
    qualify row_number() over (partition by source, offer_id order by observed_at desc, run_no desc) = 1
)
where state in ('disputed', 'rejected');

comment on macro table disputed_as_of is 'Rows of disputed_latest as they were at a time; null: now.';

create or replace view disputed_latest as
select * from disputed_as_of(null::timestamptz);

comment on view disputed_latest is 'One row per source and offer with an open dispute: a claim that does not count until it is confirmed.';
comment on column disputed_latest.observed_at is 'When it was disputed, or rejected.';
comment on column disputed_latest.source is 'Source that makes the claim.';
comment on column disputed_latest.offer_id is 'Identity of the offer; of a new one, in no other table yet.';
comment on column disputed_latest.state is
    'disputed, or rejected by an operator.';
comment on column disputed_latest.claim is
    'price: another price; new: a new identity; return: back after a withdrawal; absence: no longer listed.';
comment on column disputed_latest.since_at is 'When this value was first claimed.';
comment on column disputed_latest.evidence is 'What contradicts it, in one line with figures.';
comment on column disputed_latest.usd_per_gpu_hour is
    'The claimed price; null for an absence, or without an exchange rate.';
comment on column disputed_latest.believed_usd_per_gpu_hour is
    'The price that stays listed meanwhile; null for a new identity.';
comment on column disputed_latest.believed_seen_at is 'When the source last showed the believed price.';
comment on column disputed_latest.is_left_to_operator is 'Whether time alone does not confirm it.';
comment on column disputed_latest.decided_by is 'Operator who accepted or rejected it.';
comment on column disputed_latest.decision_reason is 'The reason that the operator gave.';
comment on column disputed_latest.provider is 'Cloud that runs the machine.';
comment on column disputed_latest.via is 'Aggregator that resells it, if any.';
comment on column disputed_latest.sku is 'Product code of the provider.';
comment on column disputed_latest.instance_type is 'Machine shape as the provider names it.';
comment on column disputed_latest.region is 'Region code of the provider, or global.';
comment on column disputed_latest.zone is 'Zone inside the region, if priced apart.';
comment on column disputed_latest.tier is 'secure or community where a provider tells them apart.';
comment on column disputed_latest.gpu_label is 'Words of the provider for the accelerator, verbatim.';
comment on column disputed_latest.gpu_count is 'Accelerators in one instance; a fraction for slices.';
comment on column disputed_latest.purchase_option is 'on_demand, spot, reserved or capacity_block.';
comment on column disputed_latest.term_months is 'Length of the commitment in months of 730 hours.';
comment on column disputed_latest.payment is
    'no_upfront, partial_upfront or all_upfront where there is a choice.';
comment on column disputed_latest.operating_system is 'Only where it changes the price.';
comment on column disputed_latest.gpu_id is 'Accelerator that the label meant when it was claimed.';
comment on column disputed_latest.gpu_memory_gib is 'Memory of one accelerator as the provider states it.';
comment on column disputed_latest.vcpus is 'Virtual CPUs of one instance.';
comment on column disputed_latest.memory_gib is 'Host memory of one instance.';
comment on column disputed_latest.local_storage_gb is 'Local disk of one instance.';
comment on column disputed_latest.network is 'Fabric between nodes as published.';
comment on column disputed_latest.min_gpus is 'Least accelerators that one order must have.';
comment on column disputed_latest.max_gpus is 'Most accelerators that one order may have.';
comment on column disputed_latest.billing_increment_seconds is 'Smallest billed time.';
comment on column disputed_latest.minimum_billing_seconds is 'Least billed time of one start.';
comment on column disputed_latest.amount is
    'Claimed price as published, per unit; null: no longer listed.';
comment on column disputed_latest.upfront_amount is 'Paid once at the start of a commitment, as published.';
comment on column disputed_latest.currency is 'ISO 4217 code of both amounts.';
comment on column disputed_latest.unit is 'hour, gpu_hour, month or term: what amount buys.';
comment on column disputed_latest.effective_at is 'From when the provider says that the price holds.';
comment on column disputed_latest.availability is 'Stock that was shown with it.';
comment on column disputed_latest.document_sha256 is 'Content hash of the answer that claims it.';
comment on column disputed_latest.source_url is 'Address of that answer.';
comment on column disputed_latest.run_no is
    'Run that wrote the row; of an operator, the run of the decision.';

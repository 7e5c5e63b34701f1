-- grain: each statement brings or changes one relation, whose comment says its grain
-- Prices that the ledger can contradict are kept beside the believed log until they are confirmed.
create table disputed_price (
    observed_at timestamptz not null,
    source varchar not null,
    offer_id varchar not null,
    state varchar not null,
    claim varchar not null,
    since_at timestamptz not null,
    evidence varchar not null,
    usd_per_gpu_hour decimal(18, 6),
    believed_usd_per_gpu_hour decimal(18, 6),
    believed_seen_at timestamptz,
    is_left_to_operator boolean not null,
    decided_by varchar,
    decision_reason varchar,
    provider varchar not null,
    via varchar,
    sku varchar not null,
    instance_type varchar not null,
    region varchar not null,
    zone varchar,
    tier varchar,
    gpu_label varchar not null,
    gpu_count decimal(12, 4) not null,
    purchase_option varchar not null,
    term_months decimal(9, 6),
    payment varchar,
    operating_system varchar,
    gpu_id varchar,
    gpu_memory_gib decimal(12, 4),
    vcpus decimal(12, 4),
    memory_gib decimal(14, 4),
    local_storage_gb decimal(14, 4),
    network varchar,
    min_gpus integer,
    max_gpus integer,
    billing_increment_seconds integer,
    minimum_billing_seconds integer,
    amount decimal(18, 6) check (amount > 0),
    upfront_amount decimal(18, 6) check (upfront_amount > 0),
    currency varchar,
    unit varchar,
    effective_at timestamptz,
    availability varchar,
    document_sha256 varchar,
    source_url varchar,
    run_no integer not null
);
comment on table disputed_price is
    'One row per source, offer and time at which a claim that the ledger can contradict became this; append-only.';
comment on column disputed_price.observed_at is 'When the claim became this.';
comment on column disputed_price.source is 'Source that makes the claim.';
comment on column disputed_price.offer_id is 'Identity of the offer; of a new one, in no other table yet.';
comment on column disputed_price.state is
    'disputed; confirmed (by time or a second source), accepted or rejected (by an operator), lapsed (it says something else now).';
comment on column disputed_price.claim is 'price: another price; new: a new identity; return: back after a withdrawal; absence: no longer listed.';
comment on column disputed_price.since_at is 'When this value was first claimed.';
comment on column disputed_price.evidence is 'What contradicts it, in one line with figures.';
comment on column disputed_price.usd_per_gpu_hour is 'The claimed price; null for an absence, or without an exchange rate.';
comment on column disputed_price.believed_usd_per_gpu_hour is 'The price that stays listed meanwhile; null for a new identity.';
comment on column disputed_price.believed_seen_at is 'When the source last showed the believed price.';
comment on column disputed_price.is_left_to_operator is 'Whether time alone does not confirm it.';
comment on column disputed_price.decided_by is 'Operator who accepted or rejected it.';
comment on column disputed_price.decision_reason is 'The reason that the operator gave.';
comment on column disputed_price.provider is 'Cloud that runs the machine.';
comment on column disputed_price.via is 'Aggregator that resells it, if any.';
comment on column disputed_price.sku is 'Product code of the provider.';
comment on column disputed_price.instance_type is 'Machine shape as the provider names it.';
comment on column disputed_price.region is 'Region code of the provider, or global.';
comment on column disputed_price.zone is 'Zone inside the region, if priced apart.';
comment on column disputed_price.tier is 'secure or community where a provider tells them apart.';
comment on column disputed_price.gpu_label is 'Words of the provider for the accelerator, verbatim.';
comment on column disputed_price.gpu_count is 'Accelerators in one instance; a fraction for slices.';
comment on column disputed_price.purchase_option is 'on_demand, spot, reserved or capacity_block.';
comment on column disputed_price.term_months is 'Length of the commitment in months of 730 hours.';
comment on column disputed_price.payment is 'no_upfront, partial_upfront or all_upfront where there is a choice.';
comment on column disputed_price.operating_system is 'Only where it changes the price.';
comment on column disputed_price.gpu_id is 'Accelerator that the label meant when it was claimed.';
comment on column disputed_price.gpu_memory_gib is 'Memory of one accelerator as the provider states it.';
comment on column disputed_price.vcpus is 'Virtual CPUs of one instance.';
comment on column disputed_price.memory_gib is 'Host memory of one instance.';
comment on column disputed_price.local_storage_gb is 'Local disk of one instance.';
comment on column disputed_price.network is 'Fabric between nodes as published.';
comment on column disputed_price.min_gpus is 'Least accelerators that one order must have.';
comment on column disputed_price.max_gpus is 'Most accelerators that one order may have.';
comment on column disputed_price.billing_increment_seconds is 'Smallest billed time.';
comment on column disputed_price.minimum_billing_seconds is 'Least billed time of one start.';
comment on column disputed_price.amount is 'Claimed price as published, per unit; null: no longer listed.';
comment on column disputed_price.upfront_amount is 'Paid once at the start of a commitment, as published.';
comment on column disputed_price.currency is 'ISO 4217 code of both amounts.';
comment on column disputed_price.unit is 'hour, gpu_hour, month or term: what amount buys.';
comment on column disputed_price.effective_at is 'From when the provider says that the price holds.';
comment on column disputed_price.availability is 'Stock that was shown with it.';
comment on column disputed_price.document_sha256 is 'Content hash of the answer that claims it.';
comment on column disputed_price.source_url is 'Address of that answer.';
comment on column disputed_price.run_no is 'Run that wrote the row; of an operator, the run of the decision.';

create table disputed_rate (
    run_no integer not null,
    observed_at timestamptz not null,
    currency varchar not null,
    rate_date date not null,
    usd_per_unit decimal(18, 9) not null,
    believed_usd_per_unit decimal(18, 9) not null,
    state varchar not null,
    evidence varchar not null
);
comment on table disputed_rate is
    'One row per currency and time at which an exchange rate that moved too far became this; append-only.';
comment on column disputed_rate.run_no is 'Run that saw it.';
comment on column disputed_rate.observed_at is 'When it was seen.';
comment on column disputed_rate.currency is 'ISO 4217 code.';
comment on column disputed_rate.rate_date is 'Day of the rate.';
comment on column disputed_rate.usd_per_unit is 'Claimed US dollars for one unit of the currency.';
comment on column disputed_rate.believed_usd_per_unit is 'The rate that counts meanwhile.';
comment on column disputed_rate.state is 'disputed, confirmed (by a second day) or lapsed.';
comment on column disputed_rate.evidence is 'What contradicts it, in one line with figures.';

-- Ids are hashed from normalised terms since this release. Receipts and locks of earlier ones name the former ids.
create table former_offer_id (
    former_id varchar not null,
    offer_id varchar not null
);
comment on table former_offer_id is 'One row per offer_id of an earlier release that became another one.';
comment on column former_offer_id.former_id is 'The id as it was hashed then.';
comment on column former_offer_id.offer_id is 'The id of the same offer now.';

alter table scrape_run add column disputed_count integer;
comment on column scrape_run.disputed_count is 'Offers of an accepted run whose price or absence was disputed then; null: not looked at.';

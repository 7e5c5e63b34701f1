-- grain: the tables of the ledger, first release
-- Frozen once released: a change is a new file. No primary keys or indexes on the logs: they cost five to
-- twelve times the space; sql/checks proves uniqueness instead.

create table source (
    source varchar not null,
    provider varchar not null,
    kind varchar not null,
    fresh_for_seconds bigint not null,
    every_seconds bigint not null,
    homepage varchar not null,
    licence varchar not null,
    confidence varchar not null
);
comment on table source is 'One row per place where prices are read, as this release declares it.';
comment on column source.source is 'Name of the source.';
comment on column source.provider is 'Provider whose prices it publishes; several for archives and aggregators.';
comment on column source.kind is 'live: read on a schedule; archive: a list that dates its own rows.';
comment on column source.fresh_for_seconds is 'A price is stale when it was last seen longer ago than this.';
comment on column source.every_seconds is 'Interval of the schedule in seconds.';
comment on column source.homepage is 'Page of the source for people.';
comment on column source.licence is 'Terms note.';
comment on column source.confidence is
    'direct: we read the provider; observed: another project did by program; reported: how is not said; curated: by hand; derived: computed from parts.';

create table scrape_run (
    run_no integer not null,
    run_id varchar not null,
    source varchar not null,
    started_at timestamptz not null,
    observed_at timestamptz not null,
    outcome varchar not null,
    is_complete boolean not null,
    error_kind varchar,
    error_message varchar,
    error_url varchar,
    offer_count integer not null,
    change_count integer not null,
    skipped_count integer not null,
    parser_version integer not null
);
comment on table scrape_run is 'One row per attempt on one source.';
comment on column scrape_run.run_no is 'Number of the run in this ledger, in the order of recording.';
comment on column scrape_run.run_id is 'Name of the run and of its manifest in the archive; start time and source.';
comment on column scrape_run.source is 'Source that was read.';
comment on column scrape_run.started_at is 'When the attempt began.';
comment on column scrape_run.observed_at is 'When the answers were complete; the time of the prices seen in this run.';
comment on column scrape_run.outcome is 'accepted, quarantined (broke its contract) or failed.';
comment on column scrape_run.is_complete is 'Whether an offer absent from this run is evidence of absence.';
comment on column scrape_run.error_kind is 'Class of the error, null when accepted.';
comment on column scrape_run.error_message is 'What was seen, null when accepted.';
comment on column scrape_run.error_url is 'Address that failed, null when accepted.';
comment on column scrape_run.offer_count is 'Offers seen.';
comment on column scrape_run.change_count is 'Rows appended to price_change, withdrawals included.';
comment on column scrape_run.skipped_count is 'Rows that the parser declined.';
comment on column scrape_run.parser_version is 'Version of the adapter that read the documents.';

create table document (
    document_no integer not null,
    run_no integer not null,
    url varchar not null,
    method varchar not null,
    context varchar not null,
    sha256 varchar not null,
    body_bytes bigint not null,
    status integer not null,
    content_type varchar not null,
    fetched_at timestamptz not null
);
comment on table document is 'One row per answer that a run received; the bytes are in the archive by hash.';
comment on column document.document_no is 'Number of the document in this ledger.';
comment on column document.run_no is 'Run that fetched it.';
comment on column document.url is 'Address asked, without secrets.';
comment on column document.method is 'GET or POST.';
comment on column document.context is 'What the answer does not say about itself, as a JSON object.';
comment on column document.sha256 is 'Content hash of the bytes; their name in the archive.';
comment on column document.body_bytes is 'Size of the bytes.';
comment on column document.status is 'HTTP status.';
comment on column document.content_type is 'Content type as sent.';
comment on column document.fetched_at is 'When the answer was complete.';

create table offer (
    offer_no integer not null,
    offer_id varchar not null,
    source varchar not null,
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
    first_run_no integer not null
);
comment on table offer is 'One row per source and purchasable thing under stable terms; no amount.';
comment on column offer.offer_no is 'Number of the offer in this ledger, used by the logs.';
comment on column offer.offer_id is 'Hash of the stable terms; equal for one offer read by several sources.';
comment on column offer.source is 'Source that saw it.';
comment on column offer.provider is 'Cloud that runs the machine.';
comment on column offer.via is 'Aggregator that resells it, if any.';
comment on column offer.sku is 'Product code of the provider.';
comment on column offer.instance_type is 'Machine shape as the provider names it.';
comment on column offer.region is 'Region code of the provider, or global.';
comment on column offer.zone is 'Zone inside the region, if priced apart.';
comment on column offer.tier is 'secure or community where a provider tells them apart.';
comment on column offer.gpu_label is 'Words of the provider for the accelerator, verbatim.';
comment on column offer.gpu_count is 'Accelerators in one instance; a fraction for slices.';
comment on column offer.purchase_option is 'on_demand, spot, reserved or capacity_block.';
comment on column offer.term_months is 'Length of the commitment in months of 730 hours.';
comment on column offer.payment is 'no_upfront, partial_upfront or all_upfront where there is a choice.';
comment on column offer.operating_system is 'Only where it changes the price.';
comment on column offer.gpu_id is 'Accelerator that the label means; derived from the aliases, null while unmapped.';
comment on column offer.gpu_memory_gib is 'Memory of one accelerator as the provider states it.';
comment on column offer.vcpus is 'Virtual CPUs of one instance.';
comment on column offer.memory_gib is 'Host memory of one instance.';
comment on column offer.local_storage_gb is 'Local disk of one instance.';
comment on column offer.network is 'Fabric between nodes as published.';
comment on column offer.min_gpus is 'Least accelerators that one order must have.';
comment on column offer.max_gpus is 'Most accelerators that one order may have.';
comment on column offer.billing_increment_seconds is 'Smallest billed time.';
comment on column offer.minimum_billing_seconds is 'Least billed time of one start.';
comment on column offer.first_run_no is 'Run that saw it first.';

create table price_change (
    observed_at timestamptz not null,
    offer_no integer not null,
    amount decimal(18, 6) check (amount > 0),
    upfront_amount decimal(18, 6) check (upfront_amount > 0),
    currency varchar,
    unit varchar,
    effective_at timestamptz,
    run_no integer not null,
    document_no integer
);
comment on table price_change is
    'One row per offer and time at which its price became this; append-only. Archives append every observation.';
comment on column price_change.observed_at is 'From when the price was seen.';
comment on column price_change.offer_no is 'The offer.';
comment on column price_change.amount is 'Price as published, per unit; null: withdrawn.';
comment on column price_change.upfront_amount is 'Paid once at the start of a commitment, as published.';
comment on column price_change.currency is 'ISO 4217 code of both amounts.';
comment on column price_change.unit is 'hour, gpu_hour, month or term: what amount buys.';
comment on column price_change.effective_at is 'From when the provider says that the price holds.';
comment on column price_change.run_no is 'Run that saw the change.';
comment on column price_change.document_no is 'Document that says so; null for a withdrawal.';

create table stock_change (
    observed_at timestamptz not null,
    offer_no integer not null,
    availability varchar not null,
    run_no integer not null
);
comment on table stock_change is 'One row per offer and time at which its stock became this; append-only.';
comment on column stock_change.observed_at is 'From when it was seen.';
comment on column stock_change.offer_no is 'The offer.';
comment on column stock_change.availability is
    'available, limited, sold_out, unknown; unlisted: absent from the last run, withdrawn by a second complete one.';
comment on column stock_change.run_no is 'Run that saw the change.';

create table offer_current (
    offer_no integer not null,
    source varchar not null,
    offer_id varchar not null,
    changed_at timestamptz not null,
    amount decimal(18, 6),
    upfront_amount decimal(18, 6),
    currency varchar,
    unit varchar,
    effective_at timestamptz,
    run_no integer not null,
    document_no integer,
    availability varchar not null,
    stock_changed_at timestamptz not null,
    shape_hash ubigint
);
comment on table offer_current is 'One row per offer: the last state of both logs, kept in the same transaction.';
comment on column offer_current.offer_no is 'The offer.';
comment on column offer_current.source is 'Source of the offer.';
comment on column offer_current.offer_id is 'Identity of the offer.';
comment on column offer_current.changed_at is 'observed_at of the last price change.';
comment on column offer_current.amount is 'Price as published; null: withdrawn.';
comment on column offer_current.upfront_amount is 'Paid once at the start of a commitment, as published.';
comment on column offer_current.currency is 'ISO 4217 code.';
comment on column offer_current.unit is 'What amount buys.';
comment on column offer_current.effective_at is 'From when the provider says that the price holds.';
comment on column offer_current.run_no is 'Run of the last price change.';
comment on column offer_current.document_no is 'Document of the last price change.';
comment on column offer_current.availability is 'Last stock, see stock_change.';
comment on column offer_current.stock_changed_at is 'observed_at of the last stock change.';
comment on column offer_current.shape_hash is
    'Hash of the shape last published, so that a refresh need not compare its columns; null for archives.';

create table price_checkpoint (
    checkpoint_at timestamptz not null,
    offer_no integer not null,
    changed_at timestamptz not null,
    amount decimal(18, 6),
    upfront_amount decimal(18, 6),
    currency varchar,
    unit varchar,
    effective_at timestamptz,
    run_no integer not null,
    document_no integer,
    availability varchar,
    stock_changed_at timestamptz
);
comment on table price_checkpoint is
    'One row per offer and checkpoint: its state then, so that a question about the past reads a bounded part of the logs.';
comment on column price_checkpoint.checkpoint_at is 'The time; the start of a UTC day.';
comment on column price_checkpoint.offer_no is 'The offer.';
comment on column price_checkpoint.changed_at is 'observed_at of the last price change until then.';
comment on column price_checkpoint.amount is 'Price as published; null: withdrawn.';
comment on column price_checkpoint.upfront_amount is 'Paid once at the start of a commitment, as published.';
comment on column price_checkpoint.currency is 'ISO 4217 code.';
comment on column price_checkpoint.unit is 'What amount buys.';
comment on column price_checkpoint.effective_at is 'From when the provider says that the price holds.';
comment on column price_checkpoint.run_no is 'Run of the last price change.';
comment on column price_checkpoint.document_no is 'Document of the last price change.';
comment on column price_checkpoint.availability is 'Last stock, see stock_change; null: none was seen.';
comment on column price_checkpoint.stock_changed_at is 'observed_at of the last stock change.';

create table gpu_price_day (
    price_date date not null,
    gpu_id varchar not null,
    purchase_option varchar not null,
    offers integer not null,
    providers integer not null,
    min_usd_per_gpu_hour decimal(18, 6) not null,
    p10_usd_per_gpu_hour decimal(18, 6) not null,
    median_usd_per_gpu_hour decimal(18, 6) not null,
    p90_usd_per_gpu_hour decimal(18, 6) not null,
    cheapest_provider varchar not null
);
comment on table gpu_price_day is
    'One row per GPU, purchase option and past UTC day, kept at publishing; the view gpu_price_index is its public name.';
comment on column gpu_price_day.price_date is 'The day; prices are those in force at its end.';
comment on column gpu_price_day.gpu_id is 'The accelerator.';
comment on column gpu_price_day.purchase_option is 'on_demand, spot, reserved or capacity_block.';
comment on column gpu_price_day.offers is 'Offers on sale, each identity once.';
comment on column gpu_price_day.providers is 'Providers with an offer on sale.';
comment on column gpu_price_day.min_usd_per_gpu_hour is 'Cheapest.';
comment on column gpu_price_day.p10_usd_per_gpu_hour is 'Tenth percentile over offers.';
comment on column gpu_price_day.median_usd_per_gpu_hour is 'Median over offers.';
comment on column gpu_price_day.p90_usd_per_gpu_hour is 'Ninetieth percentile over offers.';
comment on column gpu_price_day.cheapest_provider is 'Provider of the cheapest offer.';

create table derived (
    run_no integer not null,
    until_date date not null,
    reference varchar not null
);
comment on table derived is 'One row: up to where the tables kept at publishing follow the logs.';
comment on column derived.run_no is 'Last run that they know.';
comment on column derived.until_date is 'First day that gpu_price_day does not have yet.';
comment on column derived.reference is 'Release of the seeds by which labels and currencies were read.';

create table skipped_row (
    run_no integer not null,
    reason varchar not null,
    row_count integer not null,
    example varchar not null
);
comment on table skipped_row is 'One row per run and reason for which a parser declined rows.';
comment on column skipped_row.run_no is 'The run.';
comment on column skipped_row.reason is 'Why.';
comment on column skipped_row.row_count is 'How many.';
comment on column skipped_row.example is 'The first such row as JSON, shortened.';

create table storage_price (
    run_no integer not null,
    observed_at timestamptz not null,
    source varchar not null,
    provider varchar not null,
    sku varchar not null,
    region varchar not null,
    kind varchar not null,
    from_gb decimal(18, 4) not null,
    amount_per_gb_month decimal(18, 9) not null,
    currency varchar not null
);
comment on table storage_price is 'One row per storage price and time at which it became this; append-only.';
comment on column storage_price.run_no is 'Run that saw it.';
comment on column storage_price.observed_at is 'From when it was seen.';
comment on column storage_price.source is 'Source that saw it.';
comment on column storage_price.provider is 'Cloud that stores.';
comment on column storage_price.sku is 'Product code of the provider.';
comment on column storage_price.region is 'Region code of the provider, or global.';
comment on column storage_price.kind is 'block, file, object, archive or local.';
comment on column storage_price.from_gb is 'Lower bound of the volume tier.';
comment on column storage_price.amount_per_gb_month is 'Price per GB and month as published.';
comment on column storage_price.currency is 'ISO 4217 code.';

create table transfer_price (
    run_no integer not null,
    observed_at timestamptz not null,
    source varchar not null,
    provider varchar not null,
    sku varchar not null,
    region varchar not null,
    direction varchar not null,
    destination varchar not null,
    from_gb decimal(18, 4) not null,
    amount_per_gb decimal(18, 9) not null,
    currency varchar not null
);
comment on table transfer_price is 'One row per transfer price and time at which it became this; append-only. Zero is a fact here.';
comment on column transfer_price.run_no is 'Run that saw it.';
comment on column transfer_price.observed_at is 'From when it was seen.';
comment on column transfer_price.source is 'Source that saw it.';
comment on column transfer_price.provider is 'Cloud that moves the data.';
comment on column transfer_price.sku is 'Product code of the provider.';
comment on column transfer_price.region is 'Region code of the provider, or global.';
comment on column transfer_price.direction is 'egress, ingress, inter_region or inter_zone.';
comment on column transfer_price.destination is 'Where to, internet by default.';
comment on column transfer_price.from_gb is 'Lower bound of the monthly volume tier.';
comment on column transfer_price.amount_per_gb is 'Price per GB as published.';
comment on column transfer_price.currency is 'ISO 4217 code.';

create table exchange_rate (
    run_no integer not null,
    currency varchar not null,
    rate_date date not null,
    usd_per_unit decimal(18, 9) not null
);
comment on table exchange_rate is 'One row per currency and day.';
comment on column exchange_rate.run_no is 'Run that saw it.';
comment on column exchange_rate.currency is 'ISO 4217 code.';
comment on column exchange_rate.rate_date is 'Day of the rate.';
comment on column exchange_rate.usd_per_unit is 'US dollars for one unit of the currency.';

create table interruption_band (
    run_no integer not null,
    observed_at timestamptz not null,
    provider varchar not null,
    instance_type varchar not null,
    region varchar not null,
    low double not null,
    high double not null
);
comment on table interruption_band is 'One row per spot instance type, region and time at which its band became this.';
comment on column interruption_band.run_no is 'Run that saw it.';
comment on column interruption_band.observed_at is 'From when it was seen.';
comment on column interruption_band.provider is 'The provider.';
comment on column interruption_band.instance_type is 'The instance type.';
comment on column interruption_band.region is 'The region.';
comment on column interruption_band.low is 'Lower bound of the share interrupted in a month, 0 to 1.';
comment on column interruption_band.high is 'Upper bound of the share interrupted in a month, 0 to 1.';

create table market_sample (
    run_no integer not null,
    observed_at timestamptz not null,
    provider varchar not null,
    gpu_label varchar not null,
    gpu_count decimal(12, 4) not null,
    region varchar not null,
    purchase_option varchar not null,
    offers integer not null,
    min_usd_per_gpu_hour decimal(18, 6) not null,
    p10_usd_per_gpu_hour decimal(18, 6) not null,
    p25_usd_per_gpu_hour decimal(18, 6) not null,
    median_usd_per_gpu_hour decimal(18, 6) not null
);
comment on table market_sample is 'One row per GPU, count, region and purchase option of a marketplace and time at which its prices became this.';
comment on column market_sample.run_no is 'The run.';
comment on column market_sample.observed_at is 'When the market was seen.';
comment on column market_sample.provider is 'The marketplace.';
comment on column market_sample.gpu_label is 'Words of the marketplace for the accelerator.';
comment on column market_sample.gpu_count is 'Accelerators in one instance.';
comment on column market_sample.region is 'Region as published.';
comment on column market_sample.purchase_option is 'on_demand or spot.';
comment on column market_sample.offers is 'How many offers were seen.';
comment on column market_sample.min_usd_per_gpu_hour is 'Cheapest.';
comment on column market_sample.p10_usd_per_gpu_hour is 'Tenth percentile.';
comment on column market_sample.p25_usd_per_gpu_hour is 'Lower quartile.';
comment on column market_sample.median_usd_per_gpu_hour is 'Median.';

create table snapshot (
    number integer not null,
    published_at timestamptz not null
);
comment on table snapshot is 'One row: which snapshot this is, and when it was published.';
comment on column snapshot.number is 'Number of the snapshot.';
comment on column snapshot.published_at is 'When it was published.';

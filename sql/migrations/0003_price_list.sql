-- grain: each statement brings or changes one relation, whose comment says its grain
-- What a dated list covers belongs to the list, not to the source that reads it (docs/validity.md).
create table price_list (
    run_no integer not null,
    document_place integer not null,
    provider varchar not null,
    kind varchar not null,
    covers_from timestamptz not null,
    covers_until timestamptz not null,
    row_count integer not null
);
comment on table price_list is 'One row per file of a dated list and provider in it: what the list is, and the span that it covers.';
comment on column price_list.run_no is 'Run that read the file.';
comment on column price_list.document_place is 'Place of the file among the documents of its run, from 0.';
comment on column price_list.provider is 'Provider whose prices it lists.';
comment on column price_list.kind is
    'snapshots: all that was on sale at a time; changes: a price holds until the next row; rows: dated observations.';
comment on column price_list.covers_from is 'Begin of the span: as stated with --covers, else the first row.';
comment on column price_list.covers_until is 'End of the span: as stated with --covers, else the last row.';
comment on column price_list.row_count is 'Prices and withdrawals that were taken of it.';

-- Follows from price_change and price_list; publishing makes it anew after an import.
create table dated_price (
    offer_no integer not null,
    observed_at timestamptz not null,
    amount decimal(18, 6),
    upfront_amount decimal(18, 6),
    currency varchar,
    unit varchar,
    effective_at timestamptz,
    run_no integer not null,
    document_no integer,
    seen_until timestamptz not null,
    same_until timestamptz,
    next_at timestamptz,
    gone_at timestamptz
);
comment on table dated_price is
    'One row per offer and time of a dated list: the observation, and what the list and later ones say of how long it held.';
comment on column dated_price.offer_no is 'The offer.';
comment on column dated_price.observed_at is 'Time of the observation.';
comment on column dated_price.amount is 'Price as published, per unit; null: withdrawn.';
comment on column dated_price.upfront_amount is 'Paid once at the start of a commitment, as published.';
comment on column dated_price.currency is 'ISO 4217 code of both amounts.';
comment on column dated_price.unit is 'hour, gpu_hour, month or term: what amount buys.';
comment on column dated_price.effective_at is 'From when the provider says that the price holds.';
comment on column dated_price.run_no is 'Run that read it.';
comment on column dated_price.document_no is 'Document that says so.';
comment on column dated_price.seen_until is
    'Until when its own list has it in force: the next row or the end of a change list; else observed_at.';
comment on column dated_price.same_until is 'Time of the next observation of the offer, if it is of the same price.';
comment on column dated_price.next_at is 'Time of the next observation of the offer.';
comment on column dated_price.gone_at is 'Time of the next full snapshot of the provider, if it lacks the offer.';

delete from derived;

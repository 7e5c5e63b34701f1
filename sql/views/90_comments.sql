-- grain: comments on what other files create without any
comment on macro usd_per_hour_of is
    'US dollars for the whole instance and hour of an amount, its unit and terms; an upfront payment is spread.';
comment on macro table usd_rate is
    'One row per currency: US dollars for one unit by the reference rate in force at a time; null: the newest.';
comment on macro table offers_as_of is
    'offer_latest as it was at a time: every offer on sale then, best observation of it; null: now.';
comment on table ledger_setting is 'One row per thing that the program remembers about this ledger.';
comment on column ledger_setting.name is 'Name of the setting.';
comment on column ledger_setting.value is 'Its value.';
comment on table schema_migration is 'One row per applied migration.';
comment on column schema_migration.name is 'File of the migration.';
comment on column schema_migration.sha256 is 'Hash of its text.';

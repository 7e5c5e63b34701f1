-- grain: one row, the snapshot that is being published
insert into snapshot values ($number::integer, $published_at::timestamptz);

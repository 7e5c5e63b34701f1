-- grain: one row in a Parquet file per price that was first seen in a month
-- parameters: path varchar, month varchar
copy (
    select * from exported_history where strftime(valid_from, '%Y-%m') = $month::varchar
) to $path (format parquet, compression zstd);

-- grain: one row per column of a relation that SQL of others may read, with what it means
select
    columns.table_name as relation,
    columns.column_name as name,
    columns.data_type as type,
    columns.comment as meaning
from duckdb_columns() as columns
where not columns.internal and columns.schema_name = 'main' and columns.database_name = current_database()
order by relation, columns.column_index;

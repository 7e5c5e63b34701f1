-- grain: one deleted row per day of the index of a series that is chained anew
delete from gpu_index_day
where exists (
    select 1
    from index_changed as changed
    where
        gpu_index_day.gpu_id = changed.gpu_id and gpu_index_day.purchase_option = changed.purchase_option
        and gpu_index_day.segment is not distinct from changed.segment
);

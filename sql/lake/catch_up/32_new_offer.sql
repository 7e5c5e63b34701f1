-- grain: one appended row in offer per offer that is new here; labels are resolved afterwards
insert into offer by name
select
    cast(
        (select coalesce(max(offer_no), 0) from offer) + row_number() over (order by run_no, place) as integer
    ) as offer_no,
    * exclude (offer_no, run_no, place),
    run_no as first_run_no
from new_shape
where offer_no is null;

-- grain: one row: the times at which a question over time is answered, as a list; one more than are answered at most
-- parameters: start and stop timestamptz, every varchar, most integer
select
    steps_between(
        $start::timestamptz,
        least($stop::timestamptz, $start::timestamptz + $most::integer * cast($every::varchar as interval)),
        cast($every::varchar as interval)
    ) as steps;

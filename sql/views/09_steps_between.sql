-- grain: scalar; the times from one to another by steps of an interval, as a list
-- Each is so many steps after the first: a series that goes on from the last before comes from 31 January to the 28th of
-- February and stays at the 28th. An interval of a month counts as 30 days, and February is shorter: hence one more.
create or replace macro steps_between(first_at, last_at, every) as
    list_filter(
        list_transform(
            range(greatest(0, ((epoch(last_at) - epoch(first_at)) // epoch(every))::bigint + 2)),
            lambda step_no: first_at + step_no * every
        ),
        lambda step_at: step_at <= last_at
    );

comment on macro steps_between is 'The times from one to another by steps of an interval, each reckoned from the first.';

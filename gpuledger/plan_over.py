"""A plan's cheapest cost through time: the same question asked as of each step of a span."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gpuledger.cli import context
from gpuledger.core.errors import GPULedgerError, NoOfferError, UsageError

if TYPE_CHECKING:
    from gpuledger.core.cost.question import QuoteOptions
    from gpuledger.core.plan import TrainingPlan

MOST_STEPS = 500
"""Every step is a whole quote, a tenth of a second or more."""


def steps(span: str, every: str, *, now: datetime) -> list[datetime]:
    """The times of `2024-01-01..2026-06-01` at a step such as `1mo`; an open end is now.

    Raises:
        UsageError: no span, no step, in the wrong order, or too many.
    """
    from gpuledger.core.store.history import interval

    first, dots, last = span.partition("..")
    if not dots or not first:
        raise UsageError(f"--over: {span!r} is no span, as in 2024-01-01..2026-06-01")
    start, stop = context.instant(first, "--over"), context.instant(last, "--over") if last else now
    assert start is not None and stop is not None
    if start > stop:
        raise UsageError(f"--over: {first} is after {last or 'now'}")
    with context.snapshot() as connection:
        rows = connection.execute(
            "select unnest(generate_series($start::timestamptz, $stop::timestamptz, cast($every as interval)))",
            {"start": start, "stop": stop, "every": interval(every)},
        ).fetchall()
    if len(rows) > MOST_STEPS:
        raise UsageError(f"--over: {len(rows)} steps, at most {MOST_STEPS}; take a longer --every")
    return [row[0] for row in rows]


def over(
    plan: TrainingPlan, asked: QuoteOptions, times: list[datetime], *, now: datetime
) -> Iterator[dict[str, Any]]:
    """One row per time: the cheapest quote then, or why there was none."""
    from gpuledger.quoting import answer

    for at in times:
        row: dict[str, Any] = {"as_of": at}
        try:
            found = answer(plan, asked, as_of=at, now=now).to_dict()["quotes"]
            if not found:
                raise NoOfferError("no offer")
        except GPULedgerError as error:
            yield row | dict.fromkeys(COLUMNS) | {"reason": str(error)}
            continue
        best = found[0]
        yield row | {name: best[name] for name in COLUMNS} | {"reason": None}


COLUMNS = (
    "usd_total",
    "provider",
    "instance_type",
    "region",
    "purchase_option",
    "gpu_id",
    "gpus",
    "wall_hours",
    "usd_per_gpu_hour",
    "price_state",
)

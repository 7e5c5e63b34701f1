"""A plan's cheapest cost through time: the same question asked as of each step of a span."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gpuledger.cli import context
from gpuledger.core.errors import GPULedgerError, UsageError

if TYPE_CHECKING:
    from gpuledger.core.cost.question import QuoteOptions
    from gpuledger.core.plan import TrainingPlan
    from gpuledger.core.store.offers import LatestOffer

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
    """One row per time: the cheapest quote then and why it is another than before, or why there was none."""
    from gpuledger.quoting import answer

    former: tuple[datetime, LatestOffer] | None = None
    for at in times:
        row: dict[str, Any] = {"as_of": at}
        try:
            found = answer(plan, asked, as_of=at, now=now)
        except GPULedgerError as error:
            yield row | dict.fromkeys(COLUMNS) | {"cause": _ended(former, at), "reason": str(error)}
            former = None
            continue
        best = found.quotes[0].purchase.offer
        cause = "first step" if former is None and at == times[0] else _cause(former, (at, best))
        shown = found.quotes[0].to_dict()
        yield row | {name: shown[name] for name in COLUMNS} | {"cause": cause, "reason": None}
        former = (at, best)


def _cause(former: tuple[datetime, LatestOffer] | None, best: tuple[datetime, LatestOffer]) -> str:
    from gpuledger.core.cost.step_cause import Standing, step_cause

    if former is None:
        return f"an offer came: {best[1].gpu_id} {best[1].purchase_option} at {best[1].provider}"
    if best[1].source == "overrides" or former[1].source == "overrides":
        return "own machines"
    return step_cause(
        former=Standing(earlier=former[1], later=_standing(former[1], best[0])),
        best=Standing(earlier=_standing(best[1], former[0]), later=best[1]),
        earlier_at=former[0],
        later_at=best[0],
    )


def _ended(former: tuple[datetime, LatestOffer] | None, at: datetime) -> str:
    from gpuledger.core.cost.step_cause import Standing, step_cause

    if former is None:
        return "no offer yet"
    gone = Standing(earlier=former[1], later=_standing(former[1], at))
    return step_cause(former=gone, best=gone, earlier_at=former[0], later_at=at)


def _standing(offer: LatestOffer, at: datetime) -> LatestOffer | None:
    """The offer as it stood at another time."""
    from gpuledger.core.store.offers import OfferQuery, offers

    query = OfferQuery(
        gpu_ids=(offer.gpu_id or "",),
        providers=(offer.provider,),
        purchase_options=(offer.purchase_option,),
    )
    with context.snapshot() as connection:
        found = offers(connection, query, at=at, as_of=at)
    return next((one for one in found if one.offer_id == offer.offer_id), None)


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

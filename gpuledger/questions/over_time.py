"""A plan's cheapest cost through time: the same question asked as of each step of a span, and why it changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gpuledger import parse
from gpuledger.core.errors import GPULedgerError, UsageError
from gpuledger.core.purchase_option import option_text
from gpuledger.core.validity import LAPSED
from gpuledger.questions.plans import PlanQuestions
from gpuledger.questions.reader import Rows

if TYPE_CHECKING:
    from gpuledger.core.plan import TrainingPlan
    from gpuledger.core.store.offers import LatestOffer
    from gpuledger.questions.plans import PlanLike

    Winner = tuple[datetime, LatestOffer]

MOST_STEPS = 500
"""Every step of time is a whole quote, a tenth of a second or more."""
STEP_KEYS = (
    *("usd_total", "provider", "instance_type", "region", "purchase_option", "gpu_id", "gpus"),
    *("wall_hours", "usd_per_gpu_hour", "price_state"),
)


class PlansOverTime(PlanQuestions):
    """Plans at past times."""

    def quote_over(
        self, plan: PlanLike | None = None, *, span: str, every: str = "1mo", **named: Any
    ) -> Rows:
        """The plan's cheapest cost through time: one row per step, with the cause of each change, and the reason where
        there was no quote.

        Args:
            span: `2024-01-01..2026-06-01`; an open end is now.
            every: a step such as `1d`, `1w` or `1mo`.
            named: options of `quote`.

        Raises:
            UsageError: no span, no step, in the wrong order, or too many steps.
        """
        from gpuledger.core.cost.options import split

        keys, named = split(named)
        one = parse.plan_with(plan, keys)
        with self.pinned() as same:
            return Rows(same._quoted_at(one, same._steps(span, every), named))

    def _quoted_at(
        self, plan: TrainingPlan, times: list[datetime], named: Mapping[str, Any]
    ) -> Iterator[dict[str, Any]]:
        from gpuledger.core.cost.quote import quote

        former: Winner | None = None
        for time in times:
            row: dict[str, Any] = {"as_of": time}
            try:
                question = self.question(plan, as_of=time, **named)
                with self.reading() as snapshot:
                    best = quote(question, self.market(snapshot, question)).quotes[0]
            except GPULedgerError as error:
                ended = self._lapsed(plan, time, named) if former is None else self._ended(former, time)
                yield row | dict.fromkeys(STEP_KEYS) | {"cause": ended, "reason": str(error)}
                former = None
                continue
            winner = (time, best.purchase.offer)
            is_first = former is None and time == times[0]
            cause = "first step" if is_first else self._cause(former, winner)
            content = best.to_dict()
            yield row | {name: content[name] for name in STEP_KEYS} | {"cause": cause, "reason": None}
            former = winner

    def _cause(self, former: Winner | None, best: Winner) -> str:
        from gpuledger.core.cost.step_cause import Standing, step_cause

        if former is None:
            return f"an offer came: {best[1].gpu_id}, {option_text(best[1].purchase_option)}, at {best[1].provider}"
        if best[1].source == "overrides" or former[1].source == "overrides":
            return "own machines"
        return step_cause(
            former=Standing(earlier=former[1], later=self._standing(former[1], best[0])),
            best=Standing(earlier=self._standing(best[1], former[0]), later=best[1]),
            earlier_at=former[0],
            later_at=best[0],
        )

    def _lapsed(self, plan: TrainingPlan, time: datetime, named: Mapping[str, Any]) -> str:
        """Of a step without a quote after another one, or at first: which price had lapsed, and when."""
        from gpuledger.core.cost.quote import quote
        from gpuledger.core.cost.step_cause import Standing

        try:
            lapsed_too: dict[str, Any] = {**named, "allow_stale": True, "limit": 1}
            question = self.question(plan, as_of=time, **lapsed_too)
            with self.reading() as snapshot:
                best = quote(question, self.market(snapshot, question)).quotes[0]
        except GPULedgerError:
            return "no offer yet"
        offer = best.purchase.offer
        if offer.price_state(time) != LAPSED or offer.lapses_at is None:
            return "no offer yet"
        what = Standing(earlier=None, later=offer).named
        return f"lapsed since {offer.lapses_at:%Y-%m-%d}: {what}, last seen {offer.last_seen_at:%Y-%m-%d}"

    def _ended(self, former: Winner, time: datetime) -> str:
        from gpuledger.core.cost.step_cause import Standing, step_cause

        gone = Standing(earlier=former[1], later=self._standing(former[1], time))
        return step_cause(former=gone, best=gone, earlier_at=former[0], later_at=time)

    def _standing(self, offer: LatestOffer, time: datetime) -> LatestOffer | None:
        """The offer as it stood at another time, by its own name or, where that had yielded, by another one."""
        from gpuledger.core.store import sql
        from gpuledger.core.store.offers import OfferQuery, offers

        query = OfferQuery(
            gpu_ids=(offer.gpu_id or "",),
            providers=(offer.provider,),
            purchase_options=(offer.purchase_option,),
        )
        with self.reading() as snapshot:
            alike = offers(snapshot.connection, query, at=time, as_of=time)
            key = {"source": offer.source, "offer_id": offer.offer_id}
            names = {row["offer_id"] for row in sql.rows(snapshot.connection, "queries/other_name", key)}
        own = (one for one in alike if one.offer_id == offer.offer_id)
        others = (one for one in alike if one.offer_id in names)
        return next(own, next(others, None))

    def _steps(self, span: str, every: str) -> list[datetime]:
        from gpuledger.core.store import sql
        from gpuledger.core.store.history import step_interval

        first, dots, last = span.partition("..")
        if not dots or not first:
            raise UsageError(f"over: {span!r} is no span, as in 2024-01-01..2026-06-01")
        now = self.clock()
        start, stop = parse.past(first, "over", now), parse.past(last or None, "over", now) or now
        if start is None or start > stop:
            raise UsageError(f"over: {first} is after {last or 'now'}")
        with self.reading() as snapshot:
            named = {"start": start, "stop": stop, "every": step_interval(every), "most": MOST_STEPS}
            (steps,) = sql.first(snapshot.connection, sql.text("queries/steps"), named) or ([],)
        if len(steps) > MOST_STEPS:
            raise UsageError(f"over: {span} has more than {MOST_STEPS} steps of {every}; take a longer step")
        return steps

"""One plan, every offer: quotes ranked by what the plan comes to in all, each with its lines and its
receipt.

`quote` is the function behind the command line, REST, the page, MCP and the Python API; they differ in
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from gpuledger.core.cheapest import banner, older_price
from gpuledger.core.cost.answer import Quote, QuoteSet, Verdict
from gpuledger.core.cost.market.offers import Market
from gpuledger.core.cost.question import QuoteOptions
from gpuledger.core.cost.receipt import plan_fingerprint, quote_id, receipt
from gpuledger.core.cost.search import Context, Entry, Evaluation, Selection
from gpuledger.core.plan import TrainingPlan
from gpuledger.core.validity import LAPSED, RECORDED

LONG_RUN_HOURS = 90 * 24


def quote(
    plan: TrainingPlan,
    market: Market,
    *,
    as_of: datetime | None,
    now: datetime,
    options: QuoteOptions | None = None,
) -> QuoteSet:
    """The cheapest ways to run the plan, by total cost.

    What keeps the deadline comes first; then fresh prices, stale, unlisted and sold-out ones; then the lowest
    total. Of each offer the number of instances that costs least is quoted. Where an older price would cost less
    than the first, the answer names it.

    Args:
        market: `gpuledger.core.cost.market.snapshot.LedgerMarket` or `ListMarket`, made with `market_filter(plan,
            options)`.
        as_of: the past time that the market shows, if any.
        now: the clock.

    Raises:
        InvalidPlanError: the plan does not say enough to be estimated.
        DoesNotFitError: on sale, but the plan fits on none of it.
        NoOfferError: nothing is left; says what removed how many.
    """
    asked = options or QuoteOptions()
    selection = Selection(plan, market, asked, now=now)
    found = selection.best(asked.limit)
    if not found:
        raise selection.nothing()
    by_hour = selection.cheapest_per_gpu_hour()
    older = selection.cheaper_but_older(found[0], as_of or now)
    excluded = selection.excluded()
    return answer_of(selection.context, found, by_hour, excluded, asked, at=as_of or now, older=older)


def answer_of(
    context: Context,
    found: Sequence[Entry],
    cheapest_per_gpu_hour: Evaluation | None,
    excluded: Mapping[str, int],
    asked: QuoteOptions,
    *,
    at: datetime,
    older: Evaluation | None = None,
) -> QuoteSet:
    """The ranking as it is given: quotes with receipts, verdicts on the limits, warnings."""
    plan = context.plan
    quotes = tuple(_quote(context, of, rank, asked, at) for rank, (_, of) in enumerate(found, start=1))
    other = cheapest_per_gpu_hour
    best = quotes[0]
    return QuoteSet(
        plan=plan.name,
        as_of=at,
        snapshot=context.market.snapshot,
        quotes=quotes,
        excluded=excluded,
        cheapest_per_gpu_hour=None if other is None else _quote(context, other, 0, asked, at),
        deadline=_deadline(best, context.deadline_hours),
        budget=_budget(best, asked.budget_usd or plan.constraints.budget_usd),
        assumptions=best.purchase.option.estimate.assumptions,
        cheaper_but_older=None if older is None else _quote(context, older, 0, asked, at),
        warnings=(*best.purchase.option.estimate.warnings, *_warnings(quotes, older, at)),
        costs=plan.costs,
    )


def _quote(context: Context, of: Evaluation, rank: int, asked: QuoteOptions, at: datetime) -> Quote:
    offer = of.bought.offer
    overrides = [] if of.terms.rule is None else [of.terms.rule.line]
    overrides += [credit.line for credit in of.terms.credits]
    overrides += [own.line for own in asked.overrides.owned if offer.price_id == f"override:owned:{own.name}"]
    return Quote(
        rank=rank,
        quote_id=quote_id(plan_fingerprint(context.plan), of.bought, of.lines, overrides),
        purchase=of.bought,
        lines=of.lines,
        total=of.total,
        price_state=offer.price_state(at),
        price_age_hours=round(offer.age(at) / timedelta(hours=1), 2),
        misses_deadline=of.misses_deadline,
        receipt=receipt(of.bought, overrides, context.market.snapshot),
    )


def _deadline(best: Quote, hours: float | None) -> Verdict | None:
    if hours is None:
        return None
    return Verdict(limit=Decimal(repr(hours)), value=best.purchase.running_hours.mid, unit="hours")


def _budget(best: Quote, usd: Decimal | None) -> Verdict | None:
    return None if usd is None else Verdict(limit=usd, value=best.total.mid, unit="usd")


def _warnings(quotes: Sequence[Quote], older: Evaluation | None, at: datetime) -> Iterator[str]:
    best = quotes[0]
    if best.price_state in ("stale", LAPSED):
        yield banner(best.purchase.offer, at)
    elif best.price_state not in ("fresh", RECORDED):
        days = best.price_age_hours / 24
        yield f"the best quote rests on a price that is {best.price_state}, last seen {days:.1f} days before"
    if older is not None:
        what = older_price(older.bought.offer, at)
        yield f"cheaper but older: {what} came to {older.total.mid} USD in all"
    if best.misses_deadline:
        yield "no offer keeps the deadline"
    wall = float(best.purchase.running_hours.mid)
    if wall > LONG_RUN_HOURS:
        yield f"the cheapest way takes {wall / 24:.0f} days; --deadline asks for faster ones"

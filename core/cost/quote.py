"""One plan, every offer: quotes ranked by what the plan comes to in all, each with its lines and its
receipt.

`quote` is the function behind the command line, REST, the page, MCP and the Python API; they differ in
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from gpuledger.core.cost.decisions.lint import lint_plan
from gpuledger.core.cost.evaluation import Entry, Evaluation
from gpuledger.core.cost.market.offers import Market
from gpuledger.core.cost.question import Question
from gpuledger.core.cost.quote_set import Quote, QuoteSet, Verdict
from gpuledger.core.cost.receipt import plan_fingerprint, quote_id, receipt
from gpuledger.core.cost.search import Context, Selection
from gpuledger.core.estimate.estimate import Estimate, empty_text, empty_warning
from gpuledger.core.estimate.evidence import with_evidence
from gpuledger.core.plan import TrainingPlan
from gpuledger.core.purchase_option import option_text
from gpuledger.core.store.older_price import old_and_first, older_price
from gpuledger.core.validity import LAPSED, RECORDED

LONG_HOURS = 14 * 24
"""From here on a slower way is looked for that the limit on the length of a run leaves out."""
LONGEST_DAYS = 36_500.0
NO_PLACE = "global"
"""Region of offers whose provider does not publish where its machines are."""


def quote(question: Question, market: Market) -> QuoteSet:
    """The cheapest ways to run the plan, by total cost.

    What keeps the deadline comes first; then fresh prices, stale, unlisted and sold-out ones; then the lowest
    total. Of each offer the number of instances that costs least is quoted. Where an older price would cost less
    than the first, the answer names it. Runs longer than `constraints.max_wall_days` (90 days unless given) are
    not ranked; where that leaves out a cheaper way, a warning names it.

    Args:
        market: a `LedgerMarket` or `ListMarket` of `question.offers`.

    Raises:
        InvalidPlanError: the plan does not say enough to be estimated.
        DoesNotFitError: on sale, but the plan fits on none of it.
        NoOfferError: nothing is left; says what removed how many.
    """
    selection = Selection(question, market)
    ranking = selection.best(question.options.limit)
    if not ranking:
        raise selection.nothing()
    by_hour = selection.cheapest_per_gpu_hour()
    older = selection.cheaper_but_older(ranking[0], question.moment)
    answer = ranked(selection.context, ranking, by_hour, selection.excluded(), older)
    slow = _slower(selection, ranking[0][1])
    return answer if slow is None else replace(answer, warnings=(*answer.warnings, _slow_text(slow)))


def _slower(selection: Selection, first: Evaluation) -> Evaluation | None:
    """The cheapest way without the default limit on the length of a run, where it costs less than `first`."""
    plan = selection.context.plan
    if plan.constraints.max_wall_days is not None or _wall_hours(first) < LONG_HOURS:
        return None
    constraints = plan.constraints.model_copy(update={"max_wall_days": LONGEST_DAYS})
    longer = selection.within(plan.model_copy(update={"constraints": constraints}))
    best = [] if longer is None else longer.best(1)
    is_cheaper = bool(best) and best[0][1].total.mid < first.total.mid
    return best[0][1] if is_cheaper and not best[0][1].misses_deadline else None


def _wall_hours(evaluation: Evaluation) -> float:
    return float(evaluation.bought.running_hours.mid)


def _slow_text(slow: Evaluation) -> str:
    offer, days = slow.bought.offer, _wall_hours(slow) / 24
    return (
        f"slower but cheaper: {slow.bought.billed_gpus} x {offer.gpu_id}, {option_text(offer.purchase_option)},"
        f" at {offer.provider}, would take {days:,.0f} days and come to {slow.total.mid:,.2f} USD;"
        " constraints.max_wall_days allows it"
    )


def ranked(
    context: Context,
    ranking: Sequence[Entry],
    cheapest_per_gpu_hour: Evaluation | None,
    excluded: Mapping[str, int],
    older: Evaluation | None = None,
) -> QuoteSet:
    """The ranking as it is given: quotes with receipts, verdicts on the limits, warnings."""
    question = context.question
    fingerprint = plan_fingerprint(question.plan)
    quotes = tuple(
        _quote(context, entry, rank, fingerprint) for rank, (_, entry) in enumerate(ranking, start=1)
    )
    other = cheapest_per_gpu_hour
    best = quotes[0]
    estimate = best.purchase.option.estimate
    if not question.options.no_evidence:
        estimate = with_evidence(estimate, question.plan)
    return QuoteSet(
        plan=question.plan.name,
        as_of=question.moment,
        snapshot=context.market.snapshot,
        quotes=quotes,
        excluded=excluded,
        cheapest_per_gpu_hour=None if other is None else _quote(context, other, 0, fingerprint),
        deadline=_deadline(best, question.deadline_hours),
        budget=_budget(best, question.budget_usd),
        overruled=question.overruled,
        assumptions=estimate.assumptions,
        cheaper_but_older=None if older is None else _quote(context, older, 0, fingerprint),
        warnings=(*_of_estimate(estimate), *_doubts(question.plan), *_warnings(quotes, older, question)),
        evidence=estimate.evidence,
        costs=question.plan.costs,
    )


def _quote(context: Context, evaluation: Evaluation, rank: int, fingerprint: str) -> Quote:
    question, offer = context.question, evaluation.bought.offer
    owned = question.options.overrides.owned
    overrides = [] if evaluation.terms.rule is None else [evaluation.terms.rule.line]
    overrides += [credit.line for credit in evaluation.terms.credits]
    overrides += [own.line for own in owned if offer.price_id == f"override:owned:{own.name}"]
    return Quote(
        rank=rank,
        quote_id=quote_id(fingerprint, evaluation.bought, evaluation.lines, overrides),
        purchase=evaluation.bought,
        lines=evaluation.lines,
        total=evaluation.total,
        price_state=offer.price_state(question.moment),
        price_age_hours=round(offer.age(question.moment) / timedelta(hours=1), 2),
        misses_deadline=evaluation.misses_deadline,
        receipt=receipt(evaluation.bought, overrides, context.market.snapshot),
    )


def _deadline(best: Quote, hours: float | None) -> Verdict | None:
    if hours is None:
        return None
    running = best.purchase.running_hours
    return Verdict(limit=Decimal(repr(hours)), value=running.mid, high=running.high, unit="hours")


def _budget(best: Quote, usd: Decimal | None) -> Verdict | None:
    return None if usd is None else Verdict(limit=usd, value=best.total.mid, high=best.total.high, unit="usd")


def _doubts(plan: TrainingPlan) -> list[str]:
    """What `gpuledger lint` finds wrong with the plan: the quote is no truer than it."""
    return [f"lint, {each.check}: {each.message}" for each in lint_plan(plan) if each.is_error]


def _of_estimate(made: Estimate) -> list[str]:
    """Warnings of the estimate; of how empty its GPUs are the ranking says more."""
    return [text for text in made.warnings if text != empty_warning(made)]


def _why_first(quotes: Sequence[Quote]) -> str | None:
    """Why hardware that is used so little is first: its price, beside that of the cheapest that is used more."""
    emptiness = empty_text(quotes[0].purchase.option.estimate)
    if emptiness is None:
        return None
    fuller = next((one for one in quotes if empty_text(one.purchase.option.estimate) is None), None)
    if fuller is None:
        return f"{emptiness}: first for its price alone; none of the quotes shown uses its GPUs more"
    made, offer = fuller.purchase.option.estimate, fuller.purchase.offer
    return (
        f"{emptiness}: first for its price alone; used more are {made.gpus} x {made.gpu_id} at {offer.provider}, "
        f"rank {fuller.rank}, {fuller.total.mid:,.2f} against {quotes[0].total.mid:,.2f} USD"
    )


def _warnings(quotes: Sequence[Quote], older: Evaluation | None, question: Question) -> Iterator[str]:
    best, at = quotes[0], question.moment
    reason = _why_first(quotes)
    if reason is not None:
        yield reason
    placeless = [one for one in quotes if one.purchase.offer.region == NO_PLACE]
    if question.offers.regions and placeless:
        providers = sorted({one.purchase.offer.provider for one in placeless})
        yield (
            f"{len(placeless)} of {len(quotes)} offers do not publish their place, which could be outside"
            f" {', '.join(question.offers.regions)}; ask {', '.join(providers)}"
        )
    if best.price_state in ("stale", LAPSED):
        has_fresh = any(one.price_state in ("fresh", RECORDED) for one in quotes)
        yield old_and_first(best.purchase.offer, at, has_fresh=has_fresh)
    elif best.price_state not in ("fresh", RECORDED):
        days = best.price_age_hours / 24
        yield f"the best quote rests on a price that is {best.price_state}, last seen {days:.1f} days before"
    if older is not None:
        what = older_price(older.bought.offer, at)
        yield f"cheaper but older: {what} came to {older.total.mid:,.2f} USD in all"
    need, offer = best.purchase.option.estimate.host_memory_gib, best.purchase.offer
    if need and offer.memory_gib is None:
        yield f"offloading takes {need:,.0f} GiB of each machine's own memory; {offer.provider} does not state its own"
    if best.misses_deadline:
        yield "no offer keeps the deadline"

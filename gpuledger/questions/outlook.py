"""What drives a plan's cost and what may come of it, and whether it still keeps what was agreed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gpuledger.core.errors import DoesNotFitError, NoOfferError, UsageError
from gpuledger.parse import When
from gpuledger.questions.choice import provider_hints
from gpuledger.questions.decisions import Decisions
from gpuledger.questions.plans import one_quote
from gpuledger.questions.reader import Rows

if TYPE_CHECKING:
    from gpuledger.core.cost.levers import Lever
    from gpuledger.core.cost.options import QuoteOptions
    from gpuledger.core.cost.question import Question
    from gpuledger.core.cost.quote_set import QuoteSet
    from gpuledger.core.price_watch import PriceWatch
    from gpuledger.questions.plans import PlanLike
    from gpuledger.questions.reader import Snapshot

MOST_DRAWS = 1_000_000


class Outlook(Decisions):
    """Each question once."""

    def drivers(
        self,
        plan: PlanLike | None = None,
        *,
        as_of: When = None,
        draws: int = 10_000,
        seed: int = 0,
        **named: Any,
    ) -> dict[str, Any]:
        """What drives the cost of the cheapest quote: shares of variance by input (first-order Sobol), each input at
        the ends of its range, ten levers by what they would save, and what may come of the project.

        Args:
            draws: of the project's Monte-Carlo, seeded by `seed`.
            named: options of `quote`, and of the plan.

        Raises:
            NoOfferError, DoesNotFitError: as `quote`.
        """
        from gpuledger.core.cost import levers as ways
        from gpuledger.core.cost.project import (
            MEANING,
            first_order_shares,
            one_at_a_time,
            outcomes,
            project_of,
        )
        from gpuledger.core.cost.quote import quote

        if not 100 <= draws <= MOST_DRAWS:
            raise UsageError(f"draws: {draws} must be from 100 to {MOST_DRAWS}")
        if not 0 <= seed < 2**128:
            raise UsageError(f"seed: {str(seed)[:40]} must be 0 or more, and less than 2^128")
        with self.pinned() as same, same.reading() as snapshot:
            question = same.question(plan, as_of=as_of, **one_quote({**named, "no_evidence": True}))
            answer = quote(question, same.market(snapshot, question))
            project = project_of(question.plan, answer.quotes[0])
            shares = first_order_shares(project.usd, project.uncertain, seed=seed)
            rows = [
                ways.try_levers(lever, answer, lambda lever: same._pulled(question, lever, snapshot))
                for lever in ways.levers(question.plan, answer)
            ]
        budget = question.budget_usd
        return {
            "plan": answer.plan,
            "quote_id": answer.quotes[0].quote_id,
            "usd_total": answer.quotes[0].total.to_dict(),
            "inputs": [
                {
                    "input": row["input"],
                    "meaning": MEANING[row["input"]],
                    "share_of_variance": round(shares[row["input"]], 4),
                    "usd_low": f"{row['usd_low']:.2f}",
                    "usd_high": f"{row['usd_high']:.2f}",
                }
                for row in one_at_a_time(project)
            ],
            "levers": ways.by_dollars([*rows, ways.waited(answer)]),
            "outcomes": outcomes(
                project,
                draws=draws,
                seed=seed,
                budget_usd=None if budget is None else float(budget),
                deadline_hours=question.deadline_hours,
            ),
        }

    def _pulled(self, question: Question, lever: Lever, snapshot: Snapshot) -> QuoteSet:
        """The question asked anew with a lever pulled."""
        from dataclasses import replace

        from gpuledger.core.cost.question import Question
        from gpuledger.core.cost.quote import quote
        from gpuledger.core.plan import plan_from_mapping

        keys = question.plan.model_dump(mode="json", exclude_unset=True)
        changed = dict(lever.keys or {})
        for name, inner in changed.items():
            if isinstance(inner, Mapping):
                changed[name] = {**keys.get(name, {}), **inner}
        options = replace(question.options, **dict(lever.options or {}))
        if "max_gpu_memory" in (lever.options or {}):
            options = replace(options, gpu=None)
            keys["hardware"] = {k: v for k, v in keys.get("hardware", {}).items() if k not in ("gpu", "gpus")}
        if "purchase_options" in (lever.options or {}):
            keys["constraints"] = {
                k: v for k, v in keys.get("constraints", {}).items() if k != "purchase_options"
            }
        anew = Question.of(
            plan_from_mapping({**keys, **changed}), options, as_of=question.as_of, now=question.now
        )
        return quote(anew, self.market(snapshot, anew))

    def check(
        self,
        plan: PlanLike | None = None,
        *,
        lock: str | None = None,
        as_of: When = None,
        **named: Any,
    ) -> dict[str, Any]:
        """Whether a plan keeps its budget and deadline, and what changed since a lock was written. A plan that no offer
        can run does not pass.

        Args:
            lock: text of a lock: its answer is what was agreed.
            named: options of `quote`; `budget_usd` and `deadline_hours` are what is checked.
        """
        from gpuledger.core.cost.lock import read_lock
        from gpuledger.core.cost.plan_check import checked, unanswered
        from gpuledger.core.plan import plan_from_mapping

        with self.pinned() as same:
            question = same.question(plan, as_of=as_of, **one_quote(named))
            try:
                now = same.quote(question.plan, question.options, as_of=as_of)
            except (NoOfferError, DoesNotFitError) as error:
                return unanswered(question.plan.name, str(error))
            if lock is None:
                return checked(question.plan, now, None, None)
            keys = read_lock(lock, "lock").plan
            agreed = None if keys is None else plan_from_mapping(keys)
            then = None if agreed is None else same.quote(agreed, question.options, lock=lock)
            # the same plan at the old prices parts what prices did from what the plan did
            prices = same.quote(question.plan, question.options, lock=lock)
            return checked(question.plan, now, prices, then)

    def report(
        self,
        plan: PlanLike | None = None,
        *,
        kind: str = "md",
        as_of: When = None,
        lock: str | None = None,
        **named: Any,
    ) -> str:
        """A quote to paste: question, answer with its range, hardware, lines, assumptions, evidence, what is left out,
        prices with dates and receipts.

        Args:
            kind: `md` or `html`; the page has a chart and prints on two sheets. `infracost` is a usage file of
                Infracost, of the cheapest of the providers that it prices where none is asked for.
            named: options of `quote`, and of the plan.

        Raises:
            UsageError: no such kind, or no quote of a provider that Infracost prices.
        """
        return self.report_and_answer(plan, kind=kind, as_of=as_of, lock=lock, **named)[0]

    def report_and_answer(
        self,
        plan: PlanLike | None = None,
        *,
        kind: str = "md",
        as_of: When = None,
        lock: str | None = None,
        **named: Any,
    ) -> tuple[str, QuoteSet]:
        """The same, and the answer that is told: whether it keeps the plan's limits is to be seen there.

        Raises:
            UsageError: as `report`.
        """
        from gpuledger.core.cost.infracost_usage import RESOURCES, usage_file
        from gpuledger.core.cost.quote_report import html_page, markdown
        from gpuledger.formats import ReportForm, flat

        if kind not in tuple(ReportForm):
            raise UsageError(f"report: {kind!r} is none of {', '.join(ReportForm)}")
        options: dict[str, Any] = {"limit": 5} | named
        if kind == "infracost" and not options.get("provider"):
            options["provider"] = list(RESOURCES)
        question = self.question(plan, as_of=as_of, **options)
        answer = self.quote(question.plan, question.options, as_of=as_of, lock=lock)
        shown = answer.to_dict()
        if kind == "infracost":
            return usage_file(shown), answer
        keys = flat(question.plan.model_dump(mode="json", exclude_unset=True))
        return (markdown if kind == "md" else html_page)(shown, keys), answer

    def quote_by_provider(
        self,
        plan: PlanLike | None = None,
        options: QuoteOptions | None = None,
        *,
        as_of: When = None,
        **named: Any,
    ) -> QuoteSet:
        """As `quote`, one of each provider: the best of its two offers with the least lower bounds.

        Raises:
            NoOfferError, DoesNotFitError: as `quote`.
        """
        from gpuledger.core.cost.market.snapshot import LedgerMarket
        from gpuledger.core.cost.quote import ranked
        from gpuledger.core.cost.search import Selection

        question = self.question(plan, options, as_of=as_of, **named)
        with self.reading() as snapshot:
            market = self.market(snapshot, question)
            assert isinstance(market, LedgerMarket)
            selection = Selection(question, market)
            entries = selection.of_each(market.first_of_providers(selection.bounds, each=2))
            if not entries:
                raise selection.nothing()
            answer = ranked(selection.context, entries[: question.options.limit], None, selection.excluded())
        return self._saved(answer, question.plan)

    def left_out(
        self,
        plan: PlanLike | None = None,
        options: QuoteOptions | None = None,
        *,
        as_of: When = None,
        **named: Any,
    ) -> Rows:
        """What a quote leaves out: one row per provider, accelerator and reason with its offers, the most first."""
        from gpuledger.core.cost.left_out import left_out
        from gpuledger.core.cost.market.snapshot import LedgerMarket
        from gpuledger.core.cost.search import Selection

        question = self.question(plan, options, as_of=as_of, **named)
        with self.reading() as snapshot:
            market = self.market(snapshot, question)
            assert isinstance(market, LedgerMarket)
            refusals = Selection(question, market).refusals()
            return Rows(left_out(market.left_out(), refusals))

    def watches(self) -> Rows:
        """Prices that somebody waits for, as they were at the last look; `watch` begins one and `end_watch` ends it."""
        from gpuledger.flows.watch import watches

        return Rows(watch.to_dict() for watch in watches(self.home))

    def watch(
        self, gpu: str, *, below: Any, purchase_option: str = "on_demand", providers: Any = None
    ) -> dict[str, Any]:
        """Wait for a price: after each refresh whoever the settings name is told, by webhook or mail, once per fall
        below it. Kept in the home; the same words again begin it anew.

        Args:
            below: US dollars per GPU-hour.

        Raises:
            UnknownGPUError: no such accelerator.
            UsageError: no price, no such purchase option, or too many watches.
        """
        from gpuledger.flows.watch import add_watch

        added = self._price_watch(gpu, below, purchase_option, providers)
        add_watch(self.home, added)
        return added.to_dict()

    def end_watch(self, watch_id: str) -> Rows:
        """End a watch; the rows of those that are left.

        Raises:
            UsageError: there is none of that id.
        """
        from gpuledger.flows.watch import end_watch

        return Rows(watch.to_dict() for watch in end_watch(self.home, watch_id))

    def _price_watch(self, gpu: str, below: Any, purchase_option: str, providers: Any) -> PriceWatch:
        from decimal import Decimal

        from gpuledger import parse
        from gpuledger.core.cost.options import PURCHASE_OPTIONS
        from gpuledger.core.price_watch import PriceWatch
        from gpuledger.core.provider_name import provider_asked
        from gpuledger.core.purchase_option import option_word
        from gpuledger.core.spec import parse_spec

        parse_spec(gpu)
        purchase_option = option_word(purchase_option)
        if purchase_option not in PURCHASE_OPTIONS:
            raise UsageError(f"option: {purchase_option!r} is none of {', '.join(PURCHASE_OPTIONS)}")
        usd = parse.required(parse.dollars(below, "below", above=Decimal(0)), "below")
        named = tuple(provider_asked(name) for name in parse.names(providers))
        if named:
            # a watch on a provider that nobody knows would wait for ever
            with self.reading() as snapshot:
                hints = provider_hints(snapshot.connection, named)
            if hints:
                raise UsageError(hints[0])
        return PriceWatch(gpu=gpu, below=usd, purchase_option=purchase_option, providers=named)

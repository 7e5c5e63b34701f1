"""Questions about training plans: hours and memory, what a plan costs and where, and from which observation."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from gpuledger import parse
from gpuledger.core.errors import CorruptError, EstimateError, GPULedgerError, NoOfferError, UsageError
from gpuledger.parse import When
from gpuledger.questions.choice import provider_hints, region_hints
from gpuledger.questions.reader import OwnTerms, Rows

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from gpuledger.core.cost.frontier import Point
    from gpuledger.core.cost.lock import Lock
    from gpuledger.core.cost.market.offers import Market
    from gpuledger.core.cost.market.own_terms import Overrides
    from gpuledger.core.cost.options import QuoteOptions
    from gpuledger.core.cost.question import Question
    from gpuledger.core.cost.quote_set import QuoteSet
    from gpuledger.core.plan import TrainingPlan
    from gpuledger.questions.reader import Snapshot

    PlanLike = TrainingPlan | Mapping[str, Any] | Path | str


UNSAVED = "not saved for `explain`: the ledger's home cannot be written"
"""Warning of an answer whose quotes have no file; where the file would be is for the operator alone."""


def is_name(plan: str) -> bool:
    """Whether a text can only be the name of a preset."""
    return len(plan) < 100 and not any(c in plan for c in "=\n{/")


def one_quote(named: Mapping[str, Any]) -> dict[str, Any]:
    """The options, with one quote unless they say otherwise."""
    return {"limit": 1, **named}


class PlanQuestions(OwnTerms):
    """Each question once. A plan is a `TrainingPlan`, its keys, the name of a preset, or TOML or JSON text.

    `options` are those of `QuoteOptions`, such as `deadline_hours` or `limit`, by name or as one object.
    """

    def question(
        self,
        plan: PlanLike | None = None,
        options: QuoteOptions | None = None,
        *,
        as_of: When = None,
        overrides: Overrides | str | None = None,
        **named: Any,
    ) -> Question:
        """The question that a plan and options ask, resolved.

        Args:
            plan: may be left out where `named` has a model.
            named: options of a quote, and of the plan (`PLAN_OPTIONS`).
            overrides: own terms, or the text of an `overrides.toml`; those of the home without.

        Raises:
            InvalidPlanError: the plan is wrong.
            UsageError: an option does not exist or is out of bounds, or the time is in the future.
            NoOfferError: plan and options allow nothing in common.
        """
        from gpuledger.core.cost.market.own_terms import read_overrides
        from gpuledger.core.cost.options import split
        from gpuledger.core.cost.question import Question

        keys, named = split(named)
        if options is None:
            own = read_overrides(overrides, "overrides") if isinstance(overrides, str) else overrides
            options = parse.options(
                named,
                overrides=self.overrides() if own is None else own,
                measurements=self.measurements(),
            )
        elif named:
            raise UsageError(f"options: give {', '.join(named)} by name or in one object, not both")
        time = parse.past(as_of, "as_of", self.clock())
        return Question.of(parse.plan_with(plan, keys), options, as_of=time, now=self.clock())

    def estimate(
        self,
        plan: PlanLike,
        *,
        gpu: str | None = None,
        gpus: int | None = None,
        limits: bool = False,
        no_evidence: bool = False,
    ) -> Rows:
        """Hours, memory and fit, without prices: one row per accelerator that the plan allows, fewest GPU-hours first.

        Args:
            gpu: a SPEC; the plan's own and this one both hold.
            gpus: how many.
            limits: also the largest micro-batch and the longest sequence that fit.
            no_evidence: without the published runs nearest to the plan.

        Raises:
            InvalidPlanError: the plan is wrong or says too little.
            DoesNotFitError: it fits on none.
        """
        from gpuledger.questions import preset_cache

        # own measured runs change estimates, and are no part of the program
        name = plan if isinstance(plan, str) and is_name(plan) and not self.measured_path.exists() else None
        request = (gpu, gpus, limits, no_evidence)
        existing = None if name is None else preset_cache.cached(self.home.path, name, request)
        if existing is not None:
            return Rows(existing)
        from gpuledger.core.cost.assumption import saved_weights_gb
        from gpuledger.core.cost.physics import estimates_of
        from gpuledger.core.estimate.search import limits_of

        one = parse.plan(plan)
        made = estimates_of(
            one, gpu=gpu, gpus=gpus, measurements=self.measurements(), evidence=not no_evidence
        )
        rows = Rows(
            e.to_dict()
            | {"saved_weights_gb": saved_weights_gb(e.parameters, one.precision)}
            | (limits_of(one, e) if limits else {})
            for e in made
        )
        if name is not None and self.home.path.exists():
            preset_cache.keep(self.home.path, name, request, rows)
        return rows

    def estimates(self, plans: Sequence[PlanLike], **request: Any) -> Rows:
        """`estimate` of many plans; a plan that cannot be estimated has one row with `error`."""
        from gpuledger.core.parallel import in_processes

        def rows(plan: TrainingPlan) -> list[dict[str, Any]]:
            try:
                return self.estimate(plan, **request)
            except EstimateError as error:
                return [{"plan": plan.name, "error": str(error)}]

        read = [parse.plan(plan) for plan in plans]
        return Rows(row for some in in_processes(rows, read, os.cpu_count() or 1) for row in some)

    def quote(
        self,
        plan: PlanLike | None = None,
        options: QuoteOptions | None = None,
        *,
        as_of: When = None,
        overrides: Overrides | str | None = None,
        lock: str | None = None,
        **named: Any,
    ) -> QuoteSet:
        """Where the plan costs least in all: `.low .mid .high .lines .receipt` of the best quote, and all `.quotes`.

        The quotes are saved under their ids, so that `explain` finds them.

        Args:
            as_of: a past time, whose prices are taken.
            lock: text of a lock, whose prices and times are taken instead of the ledger's.

        Raises:
            InvalidPlanError: the plan is wrong or says too little.
            DoesNotFitError: the plan fits on nothing on sale.
            NoOfferError: nothing is left; says what removed how many.
            UsageError: an option does not exist, or the lock cannot be read.
        """
        from gpuledger.core.cost.quote import quote

        question = self.question(plan, options, as_of=as_of, overrides=overrides, **named)
        if lock is not None:
            answer = self._from_lock(question, lock)
        else:
            with self.reading() as snapshot:
                unknown = provider_hints(
                    snapshot.connection, [credit.provider for credit in question.credits]
                )
                if unknown:
                    raise UsageError(f"credit: {unknown[0]}")
                # of several names the others answer, so that one that nobody has would go unseen
                hints = provider_hints(snapshot.connection, question.options.providers)
                hints += region_hints(snapshot.connection, question.options.regions)
                try:
                    answer = quote(question, self.market(snapshot, question))
                    answer = _with_survival(answer, snapshot.connection, question.as_of)
                except NoOfferError as error:
                    raise NoOfferError("; ".join([str(error), *hints])) from None
                answer = replace(answer, warnings=(*answer.warnings, *hints))
        return self._saved(answer, question.plan)

    def quotes(
        self,
        plans: Sequence[PlanLike],
        options: QuoteOptions | None = None,
        *,
        as_of: When = None,
        **named: Any,
    ) -> Iterator[dict[str, Any]]:
        """The ranking of each of many plans as `QuoteSet.to_dict` gives it, or its error under `error`."""
        from gpuledger.core.cost.batch import WORTH_PREPARING, PreparedMarket, rankings
        from gpuledger.core.cost.market.side_prices import SIDE_PRICE_QUERIES, SidePrices
        from gpuledger.core.cost.options import split
        from gpuledger.core.store import sql
        from gpuledger.core.store.offer_table import offer_table
        from gpuledger.core.store.offers import OfferQuery, snapshot_number

        time, _ = self.past(as_of)
        keys, named = split(named)
        chosen = options or parse.options(
            one_quote(named), overrides=self.overrides(), measurements=self.measurements()
        )
        read, now = [parse.plan_with(plan, keys) for plan in plans], self.clock()
        with self.reading() as snapshot:
            if len(read) < WORTH_PREPARING:
                market = partial(self.market, snapshot)
                yield from rankings(read, chosen, market, as_of=time, now=now)
                return
            side = {
                name: sql.rows(snapshot.connection, f"queries/{query}", {"as_of": time})
                for name, query in SIDE_PRICE_QUERIES.items()
            }
            prepared = PreparedMarket(
                offers=offer_table(snapshot.connection, OfferQuery(), as_of=time),
                now=now,
                as_of=time,
                options=chosen,
                surroundings=SidePrices(**side),
                snapshot=snapshot_number(snapshot.connection),
            )
        # the snapshot is closed before processes are forked: DuckDB's threads do not survive that
        yield from prepared.answers(read, workers=os.cpu_count() or 1)

    def frontier(
        self,
        plan: PlanLike | None = None,
        options: QuoteOptions | None = None,
        *,
        as_of: When = None,
        **named: Any,
    ) -> list[Point]:
        """The ways to run a plan that no other beats in cost, time and risk at once, the cheapest first."""
        from gpuledger.core.cost.frontier import frontier

        question = self.question(plan, options, as_of=as_of, **named)
        with self.reading() as snapshot:
            return frontier(question, self.market(snapshot, question))

    def compare(self, plans: Sequence[PlanLike], *, as_of: When = None, **named: Any) -> Rows:
        """Plans side by side at the same prices: one row per plan with its best quote, and what it costs more and takes
        longer than the first; a plan without a quote has its reason under `error`."""
        from gpuledger.core.cost.compare import compared

        with self.pinned() as same:
            answers: list[tuple[str, QuoteSet | str]] = []
            for plan in map(parse.plan, plans):
                try:
                    answers.append((plan.name, same.quote(plan, as_of=as_of, **one_quote(named))))
                except EstimateError as error:
                    answers.append((plan.name, str(error)))
        return Rows(compared(answers))

    def lock(
        self,
        plan: PlanLike | None = None,
        options: QuoteOptions | None = None,
        *,
        as_of: When = None,
        **named: Any,
    ) -> str:
        """The prices of an answer, written down as text: `quote(plan, lock=text)` gives the same bytes anywhere."""
        from gpuledger.core.cost.lock import lock_of, written_lock
        from gpuledger.core.cost.quote import quote

        question = self.question(plan, options, as_of=as_of, **named)
        with self.reading() as snapshot:
            market = self.market(snapshot, question)
            return written_lock(lock_of(question, quote(question, market), market.surroundings))

    def _from_lock(self, question: Question, text: str) -> QuoteSet:
        from gpuledger.core.cost.lock import read_lock
        from gpuledger.core.cost.quote import quote

        lock: Lock = read_lock(text, "lock")
        if lock.has_other_constants():
            self.say("the lock was written with other constants: prices are the same, hours may differ")
        same = lock.question(question.plan, question.options)
        return quote(same, lock.market(same))

    def market(self, snapshot: Snapshot, question: Question) -> Market:
        """The offers of a snapshot that a question chooses from."""
        from gpuledger.core.cost.market.snapshot import LedgerMarket

        return LedgerMarket(
            snapshot.connection,
            question.offers,
            as_of=question.as_of,
            at=question.moment,
            allow_stale=question.options.allow_stale,
            cache=snapshot.cache,
        )

    def _saved(self, answer: QuoteSet, plan: TrainingPlan) -> QuoteSet:
        """The answer, whose quotes have their files; a home that cannot be written costs the explanation, not the
        quote, and the answer says so."""
        from gpuledger.core.cost.explain import plan_hash, save_quote
        from gpuledger.core.count import instant_text

        try:
            for one in answer.quotes:
                content = {
                    "plan": answer.plan,
                    "plan_hash": plan_hash(plan),
                    "as_of": instant_text(answer.as_of),
                    **one.to_dict(),
                }
                save_quote(self.home, one.quote_id, content)
        except GPULedgerError as error:
            self.say(f"not saved for explain: {error}")
            return replace(answer, warnings=(*answer.warnings, UNSAVED))
        return answer

    def saved_quote(self, quote_id: str) -> dict[str, Any]:
        """A quote as it was given.

        Raises:
            NoOfferError: none of that id.
            UsageError: not the form of an id.
        """
        from gpuledger.core.cost.explain import saved_quote

        return saved_quote(self.home, quote_id)

    def explain(self, quote_id: str) -> dict[str, Any]:
        """The chain from a quote's dollars to the stored bytes, and whether the ledger still says the same.

        Raises:
            NoOfferError: no quote of that id was saved.
            UsageError: not the form of an id.
            CorruptError: the snapshot cannot be read.
        """
        from gpuledger.core.cost.explain import explanation
        from gpuledger.core.store import sql
        from gpuledger.core.store.archive import Archive

        def in_ledger(source: str, offer_id: str, changed_at_us: int) -> Mapping[str, Any] | None:
            named = {"source": source, "offer_id": offer_id, "changed_at_us": changed_at_us}
            try:
                with self.reading() as snapshot:
                    rows = sql.rows(snapshot.connection, "queries/explain_price", named)
            except CorruptError:
                raise
            except GPULedgerError:
                return None
            return rows[0] if rows else None

        return explanation(self.saved_quote(quote_id), Archive(self.home.archive).body, in_ledger)


def _with_survival(answer: QuoteSet, connection: DuckDBPyConnection, as_of: datetime | None) -> QuoteSet:
    """The answer whose stale quotes say how often prices like theirs still held at that age."""
    from gpuledger.core.store.older_price import survival

    cases = {
        quote.quote_id: (
            quote.purchase.offer.provider,
            quote.purchase.offer.purchase_option,
            quote.price_age_hours,
        )
        for quote in answer.quotes
        if quote.price_state == "stale"
    }
    texts = survival(connection, cases.values(), as_of=as_of)
    quotes = tuple(
        replace(quote, survival=texts.get(cases[quote.quote_id])) if quote.quote_id in cases else quote
        for quote in answer.quotes
    )
    return replace(answer, quotes=quotes)

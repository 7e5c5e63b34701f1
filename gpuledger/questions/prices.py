"""Questions about prices: what is on sale, what is cheapest, how prices moved, what there is to choose from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gpuledger.core.count import counted
from gpuledger.core.errors import StoreBusyError, UsageError
from gpuledger.core.validity import LAPSED, REMEMBERED
from gpuledger.parse import When
from gpuledger.questions.choice import (
    LISTED_STATES,
    add_survival,
    is_read_at_once,
    lapsed_hint,
    offer_query,
    offer_row,
    older_hints,
    parted,
    provider_hints,
    region_hints,
    unknown_providers,
    unplaced_ever_hint,
    unplaced_hint,
)
from gpuledger.questions.market import MarketQuestions, Names
from gpuledger.questions.reader import Rows, query_rows

if TYPE_CHECKING:
    from gpuledger.core.cheapest import Grouping
    from gpuledger.core.store.offers import OfferQuery

NO_OFFER = "no offer matches"
MOST_SECONDS = 3600
"""That a query may ask for."""


class PriceQuestions(MarketQuestions):
    """Each question once. Times are datetimes or ISO 8601 text, UTC without an offset; names are one or several."""

    def offers(self, gpu: str | None = None, *, as_of: When = None, **filters: Any) -> Rows:
        """Offers on sale, one row each: the most reliable prices first, then the cheapest per GPU-hour.

        Args:
            gpu: a SPEC such as `H100-SXM:8`.
            as_of: a past time.
            filters: `limit`, and fields of `OfferQuery`: `providers`, `regions`, `tiers`, `purchase_options`,
                `max_usd_per_gpu_hour`, `min_gpu_memory` ...

        Raises:
            UnknownGPUError: no such accelerator.
            UsageError: a filter does not exist or cannot be understood.
        """
        return self.offer_page(offer_query(gpu, **filters), as_of=as_of)

    def offer_page(self, query: OfferQuery, *, as_of: When = None) -> Rows:
        """The offers of a query, lapsed prices only where it asks for them; `total` counts those before paging."""
        from gpuledger.core.store.offers import offer_page

        time, moment = self.past(as_of)
        is_whole = is_read_at_once(query)
        states = query.states or (() if is_whole else LISTED_STATES)
        lapsed = None
        with self.reading() as snapshot:
            result = offer_page(
                snapshot.connection,
                replace(query, states=states),
                at=moment,
                as_of=time,
                least_lapsed_since=moment - REMEMBERED if is_whole else None,
            )
            if is_whole:
                result, lapsed = parted(result, moment)
            unplaced = unplaced_hint(snapshot.connection, query)
            remarks = provider_hints(snapshot.connection, query.providers)
            remarks += region_hints(snapshot.connection, query.regions)
            if result.offers:
                remarks += older_hints(snapshot.connection, query, result, lapsed, moment=moment, as_of=time)
            if not result.total and not remarks and not query.states:
                remarks = lapsed_hint(snapshot.connection, query, moment=moment, as_of=time)
            pairs = zip(result.offers, result.derived, strict=True)
            rows = [offer_row(offer, moment, query.min_gpu_count) | derived for offer, derived in pairs]
            add_survival(snapshot.connection, rows, time)
        remarks = [*unplaced, *(remarks if result.total else remarks or [NO_OFFER])]
        return Rows(rows, total=result.total, as_of=moment, remarks=remarks)

    def cheapest(
        self,
        gpu: str | None,
        *,
        providers: Names = None,
        regions: Names = None,
        tiers: Names = None,
        purchase_options: Names = ("on_demand",),
        as_of: When = None,
        allow_stale: bool = False,
        limit: int | None = None,
    ) -> Rows:
        """The cheapest offer of each provider per GPU-hour, with its rank and a note.

        Raises:
            UnknownGPUError: no such accelerator.
            UsageError: the SPEC cannot be understood.
        """
        from gpuledger.core.cheapest import cheapest_by_provider
        from gpuledger.core.store.offers import offers

        time, moment = self.past(as_of)
        chosen = offer_query(
            gpu, providers=providers, regions=regions, tiers=tiers, purchase_options=purchase_options
        )
        with self.reading() as snapshot:
            on_sale = offers(snapshot.connection, chosen, at=moment, as_of=time)
            hints = provider_hints(snapshot.connection, chosen.providers)
            hints += region_hints(snapshot.connection, chosen.regions)
            unplaced = unplaced_hint(snapshot.connection, chosen)
            answer = cheapest_by_provider(on_sale, at=moment, allow_stale=allow_stale)
            rows: list[dict[str, Any]] = [
                offer_row(ranked.offer, moment, chosen.min_gpu_count) | {"rank": rank, "note": ranked.note}
                for rank, ranked in enumerate(answer.ranking, start=1)
            ]
            add_survival(snapshot.connection, rows, time)
        return Rows(
            rows[:limit],
            total=len(rows),
            as_of=moment,
            remarks=[*hints, *unplaced, *(() if hints and not rows else answer.remarks)],
        )

    def spread(
        self,
        gpu: str | None,
        *,
        by: Grouping = "provider",
        providers: Names = None,
        regions: Names = None,
        tiers: Names = None,
        purchase_options: Names = ("on_demand",),
        as_of: When = None,
    ) -> Rows:
        """Least, median and greatest price per GPU-hour of each group of offers, of the prices in its most reliable
        state: the groups by that state, then the cheapest first. Lapsed prices are left out and counted.

        Raises:
            UnknownGPUError: no such accelerator.
            UsageError: the SPEC cannot be understood, or there is no such grouping.
        """
        from gpuledger.core.cheapest import GROUPINGS, cheapest_by_provider, on_older_prices, spread
        from gpuledger.core.store.offers import offers

        if by not in GROUPINGS:
            raise UsageError(f"by: {by!r} is none of {', '.join(GROUPINGS)}")
        time, moment = self.past(as_of)
        chosen = offer_query(
            gpu, providers=providers, regions=regions, tiers=tiers, purchase_options=purchase_options
        )
        with self.reading() as snapshot:
            on_sale = offers(snapshot.connection, chosen, at=moment, as_of=time)
            hints = provider_hints(snapshot.connection, chosen.providers)
            hints += region_hints(snapshot.connection, chosen.regions)
            unplaced = unplaced_hint(snapshot.connection, chosen)
        rows = [vars(row) for row in spread(on_sale, by, at=moment)]
        ranking = cheapest_by_provider(on_sale, at=moment).ranking
        older = on_older_prices(ranking[0].offer, on_sale, moment) if ranking else []
        lapsed = sum(offer.price_state(moment) == LAPSED for offer in on_sale)
        remarks = [f"{counted(lapsed, 'lapsed price')} left out"] if lapsed else []
        none = [] if rows or hints else [NO_OFFER]
        return Rows(rows, as_of=moment, remarks=[*hints, *unplaced, *older, *remarks, *none])

    def history(
        self,
        gpu: str | None,
        *,
        providers: Names = None,
        regions: Names = None,
        tiers: Names = None,
        purchase_options: Names = None,
        since: When = None,
        until: When = None,
        every: str | None = None,
        stat: str = "min",
        limit: int | None = None,
    ) -> Rows:
        """Prices over time: one row per offer and interval, or with `every` (`1d`) one row per step up to now.

        Raises:
            UnknownGPUError: no such accelerator.
            UsageError: the SPEC, a time, the step or the statistic cannot be understood.
        """
        from gpuledger.core.store.history import price_intervals, price_series, step_interval

        chosen = offer_query(
            gpu,
            providers=providers,
            regions=regions,
            tiers=tiers,
            purchase_options=purchase_options,
            limit=limit,
        )
        first, last = self._span(since, until)
        step = None if every is None else step_interval(every)
        with self.reading() as snapshot:
            if step is None:
                rows = price_intervals(snapshot.connection, chosen, since=first, until=last, now=self.clock())
            else:
                # beyond now a series would carry the last price on
                end = min(last or self.clock(), self.clock())
                rows = price_series(
                    snapshot.connection, chosen, since=first, until=end, every=step, stat=stat
                )[:limit]
            hints = provider_hints(snapshot.connection, chosen.providers)
            hints += region_hints(snapshot.connection, chosen.regions)
            unplaced = unplaced_ever_hint(snapshot.connection, chosen)
        return Rows(rows, remarks=[*unplaced, *(hints if rows else hints or ["no price in that time"])])

    def gpus(self) -> Rows:
        """Accelerators with their memory and cheapest prices."""
        return self._listing("gpus")

    def providers(self) -> Rows:
        """Providers with the number of their offers and the age of their prices."""
        return self._listing("providers")

    def regions(self) -> Rows:
        """Regions with offers, their country and continent."""
        return self._listing("regions")

    def unmapped(self) -> Rows:
        """Labels that no alias explains, why, and their prices, which stay in the ledger."""
        from gpuledger.core.store.offers import unmapped_labels

        with self.reading() as snapshot:
            return Rows(unmapped_labels(snapshot.connection))

    def _listing(self, query: str) -> Rows:
        with self.reading() as snapshot:
            return Rows(query_rows(snapshot.connection, f"queries/{query}"))

    def status(self) -> Rows:
        """Age of each source's prices against its target, and how its last run went; `is_stale` counts those that never
        delivered."""
        from gpuledger.flows.source_states import source_states
        from gpuledger.scrapers.registry import SOURCES

        with self.reading() as snapshot:
            rows = source_states(snapshot.connection, SOURCES, now=self.clock(), environ=self.environ)
            return Rows(rows, remarks=unknown_providers(snapshot.connection))

    def run_counts(self) -> Rows:
        """How many runs of each source were accepted, quarantined or failed, and how long the last of each took."""
        with self.reading() as snapshot:
            return Rows(query_rows(snapshot.connection, "queries/run_counts"))

    def imports(self) -> Rows:
        """The dated lists in the ledger, with what they cover."""
        from gpuledger.flows.source_states import imported_lists

        with self.reading() as snapshot:
            return Rows(imported_lists(snapshot.connection))

    def sources(self) -> Rows:
        """Where prices are read, how often, and which keys add to it."""
        from gpuledger.scrapers.registry import SOURCES

        return Rows(
            {
                "source": source.name,
                "provider": source.provider,
                "covers": source.covers,
                "every_hours": source.every.total_seconds() / 3600,
                "fresh_for_hours": source.fresh_for.total_seconds() / 3600,
                "keys": sorted({c.variable for r in source.requests if (c := r.credential)}),
                "needs_key": bool(source.requests) and all(r.credential for r in source.requests),
                "homepage": source.homepage,
                "licence": source.licence,
            }
            for source in SOURCES
        )

    def presets(self) -> Rows:
        """Plans known by name."""
        from gpuledger.core.plan import preset_plan, presets

        return Rows(
            {
                "name": name,
                "method": plan.method,
                "model": plan.model,
                "training_tokens": plan.total_tokens,
                "sequence_length": plan.sequence_length,
            }
            for name in presets()
            for plan in [preset_plan(name)]
        )

    def query(self, text: str, *, timeout_seconds: float | None = None) -> Rows:
        """Rows of one read-only SQL query on the newest snapshot: no files, no extensions, no settings.

        Raises:
            UsageError: not one read-only query, an error in it, too slow or too many rows.
            StoreBusyError: other queries run already, as many as may at once.
        """
        from gpuledger.core.errors import EmptyLedgerError, OutdatedError
        from gpuledger.core.store.sandbox import run_query

        limits = self.query_limits
        seconds = limits.seconds if timeout_seconds is None else timeout_seconds
        if not 0 < seconds <= MOST_SECONDS:
            raise UsageError(f"timeout: {seconds:g} is not between 0 and {MOST_SECONDS} seconds")
        if self._turns is not None and not self._turns.acquire(timeout=limits.wait_seconds):
            raise StoreBusyError(
                f"sql: queries run already, as many as may at once ({limits.at_once}); try again in a while"
            )

        def rows() -> list[dict[str, Any]]:
            return run_query(
                self.home.path,
                text,
                timeout_seconds=seconds,
                max_rows=limits.rows,
                max_mib=limits.mib,
                threads=limits.threads,
            )

        try:
            return Rows(rows())
        except (EmptyLedgerError, OutdatedError):
            # opening it once makes it readable, or says why not
            with self.reading():
                pass
            return Rows(rows())
        finally:
            if self._turns is not None:
                self._turns.release()

"""Questions about the price index: how prices moved, whether a day of it is true, and whether now is a good time."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from gpuledger import parse
from gpuledger.core.count import counted
from gpuledger.core.errors import UsageError
from gpuledger.core.purchase_option import option_text
from gpuledger.parse import When
from gpuledger.questions.choice import offer_query
from gpuledger.questions.reader import LedgerReader, Rows

MOST_CHECKED_DAYS = 400
"""Days that one question computes anew."""


class IndexQuestions(LedgerReader):
    """Each question once."""

    def index(
        self,
        gpu: str,
        *,
        purchase_option: str = "on_demand",
        segment: str = "all",
        since: When = None,
        until: When = None,
    ) -> Rows:
        """The panel index of accelerators, one row per accelerator and day; docs/methodology.md tells how it is made.
        Remarks name providers whose spot price is administered.

        Args:
            segment: `all`, `hyperscaler`, `neocloud` or `marketplace`.

        Raises:
            UnknownGPUError: no such accelerator.
            UsageError: the SPEC, the segment or a time cannot be understood.
        """
        from gpuledger.core.spec import parse_spec
        from gpuledger.core.store.index_days import administered_spot, price_index

        first, last = self._span(since, until)
        gpu_ids, option = parse_spec(gpu).gpu_ids, _purchase_option(purchase_option)
        with self.reading() as snapshot:
            rows = price_index(
                snapshot.connection,
                gpu_ids,
                purchase_option=option,
                segment=segment,
                first_date=None if first is None else first.date(),
                last_date=None if last is None else last.date(),
            )
            marked = administered_spot(snapshot.connection, gpu_ids) if option == "spot" else []
        return Rows(rows, remarks=marked if rows else ["no price in that time"])

    def timing(
        self, gpu: str, *, gpu_hours: float, by: When = None, purchase_option: str = "on_demand"
    ) -> dict[str, Any]:
        """Today's price among past days, its trend, and what waiting did in the past. No forecast.

        Args:
            gpu_hours: that the work takes.
            by: when it must be bought at the latest; bounds the waiting.

        Raises:
            NoOfferError: too few recorded days.
            UsageError: the SPEC or the time cannot be understood, or the time is past.
        """
        from gpuledger.core.cheapest import cheapest_by_provider
        from gpuledger.core.store.index_days import administered_spot, price_index
        from gpuledger.core.store.offers import offers
        from gpuledger.core.timing import days_of_index, timing

        last = parse.instant(by, "by")
        weeks_left = None if last is None else int((last - self.clock()).total_seconds() // (7 * 86_400))
        if weeks_left is not None and weeks_left < 0:
            raise UsageError(f"by: {by!r} is past")
        option = _purchase_option(purchase_option)
        chosen = offer_query(gpu, purchase_options=(option,))
        gpu_ids = chosen.gpu_ids or ()
        moment = self.clock()
        with self.reading() as snapshot:
            rows = price_index(snapshot.connection, gpu_ids, purchase_option=option, segment="all")
            marked = administered_spot(snapshot.connection, gpu_ids) if option == "spot" else []
            ranking = cheapest_by_provider(offers(snapshot.connection, chosen, at=moment), at=moment).ranking
        first = ranking[0].offer if ranking else None
        answer = timing(
            days_of_index(rows, None if first is None else first.gpu_id),
            first,
            at=moment,
            gpu_hours=gpu_hours,
            weeks_left=weeks_left,
            what=f"{gpu}, {option_text(purchase_option)}",
        )
        return {"gpu": gpu, "purchase_option": purchase_option} | answer | {"administered": marked}

    def check_index(
        self,
        gpu: str,
        day: When = None,
        *,
        purchase_option: str = "on_demand",
        segment: str = "all",
        since: When = None,
        until: When = None,
    ) -> Rows:
        """Days of the index computed anew from the archived bytes and compared with what is stored: one row per
        accelerator, day and provider, whose relative `agrees` or `differs`, then one without a provider for the index.

        Args:
            day: the one day; without it all days from `since` to `until`.

        Raises:
            UnknownGPUError: no such accelerator.
            UsageError: no day, too many, or one that is not over.
        """
        from gpuledger.core.spec import parse_spec
        from gpuledger.flows.index_check import check_index
        from gpuledger.flows.ledger import LedgerWriter as Store
        from gpuledger.scrapers.archives.registry import EVERY_SOURCE

        since, until = (since, until) if day is None else (day, day)
        first, last = self._span(since, until)
        if first is None or last is None:
            raise UsageError("verify: say which day, or from which to which")
        if last.date() >= self.clock().date():
            raise UsageError(f"verify: {last:%Y-%m-%d} is not over; the index knows past days")
        if last - first > timedelta(MOST_CHECKED_DAYS):
            raise UsageError(f"verify: {(last - first).days + 1} days, at most {MOST_CHECKED_DAYS} at once")
        store = Store(home=self.home, sources=EVERY_SOURCE, clock=self.clock)
        with self.reading() as snapshot:
            checked = check_index(
                store,
                snapshot.connection,
                parse_spec(gpu).gpu_ids,
                first=first.date(),
                last=last.date(),
                purchase_option=_purchase_option(purchase_option),
                segment=segment,
            )
        counts = Counter(row["state"] for row in checked.rows)
        remarks = [
            f"computed anew from {counted(checked.documents, 'archived document')} of {counted(checked.runs, 'run')}:"
            f" {counted(counts['agrees'], 'figure')} as stored, {counts['differs']} otherwise,"
            f" {counts['no bytes']} without bytes",
            *checked.notes,
        ]
        return Rows(checked.rows, remarks=remarks if checked.rows else ["no price in that time"])

    def _span(self, since: When, until: When) -> tuple[datetime | None, datetime | None]:
        """Two times as text or times, in order.

        Raises:
            UsageError: no times, or in the wrong order.
        """
        first, last = parse.instant(since, "since"), parse.instant(until, "until")
        if first is not None and last is not None and first > last:
            raise UsageError(f"since: {since!s} is after until {until!s}")
        return first, last


def _purchase_option(name: str) -> str:
    from gpuledger.core.cost.options import PURCHASE_OPTIONS

    if name not in PURCHASE_OPTIONS:
        raise UsageError(f"purchase_option: {name!r} is none of {', '.join(PURCHASE_OPTIONS)}")
    return name

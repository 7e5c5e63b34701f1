"""A checker of histories: what a reader of a shared store sees over time, held against what it saw before.

A history is right when every view has each price once, in the order of its source's times; when no later view lacks
what an earlier one had; and when nothing appears before what the same source had shown already.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from gpuledger.core.errors import GPULedgerError
from gpuledger.core.store.publish import reading
from gpuledger.flows.ledger import LedgerWriter
from gpuledger.flows.publish import publish_news

Entry = tuple[str, datetime, str, Decimal | None]
"""Source, time, sku, amount."""

VIEW = (
    "select offer.source, price_change.observed_at, offer.sku, price_change.amount"
    " from price_change inner join offer using (offer_no)"
    " order by price_change.run_no, offer.sku"
)


@dataclass
class History:
    """The views of one reader; `faults` is empty while they make one history."""

    reader: str
    views: int = 0
    faults: list[str] = field(default_factory=list)
    _seen: set[Entry] = field(default_factory=set)
    _newest: dict[str, datetime] = field(default_factory=dict)

    def see(self, entries: Iterable[Entry]) -> None:
        """One view, in the order in which the store numbers its runs."""
        view = list(entries)
        self.views += 1
        twice = [entry for entry, count in Counter(view).items() if count > 1]
        self._say("there twice", twice)
        self._say("lost", self._seen - set(view))
        times: dict[str, list[datetime]] = defaultdict(list)
        for source, at, _, _ in view:
            times[source].append(at)
        self._say("out of order", [source for source, found in times.items() if found != sorted(found)])
        late = [e for e in view if e not in self._seen and e[1] < self._newest.get(e[0], e[1])]
        self._say("shown after what came later", late)
        self._seen |= set(view)
        for source, found in times.items():
            self._newest[source] = max(found)

    def _say(self, what: str, entries: Iterable[object]) -> None:
        self.faults += [
            f"{self.reader}, view {self.views}: {what}: {entry}" for entry in sorted(entries, key=str)[:3]
        ]

    @property
    def entries(self) -> frozenset[Entry]:
        return frozenset(self._seen)


class Reader(threading.Thread):
    """A machine that only reads: it takes what the others recorded, again and again, until it is told to end."""

    def __init__(self, name: str, ledger: LedgerWriter) -> None:
        super().__init__(daemon=True)
        self.history, self._ledger, self._is_over = History(name), ledger, threading.Event()
        self.refused: list[str] = []
        """What it was told while the catalogue was away."""

    def run(self) -> None:
        while not self._is_over.is_set():
            try:
                self.look()
            except GPULedgerError as error:
                self.refused.append(f"{type(error).__name__}: {error}")
            time.sleep(0.2)

    def look(self) -> None:
        """Catch up, publish, and read what was published."""
        publish_news(self._ledger)
        with reading(self._ledger.home) as connection:
            self.history.see(connection.execute(VIEW).fetchall())

    def end(self) -> History:
        """The last view included."""
        self._is_over.set()
        self.join(timeout=120)
        self.look()
        return self.history

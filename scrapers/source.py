"""What an adapter declares. Frozen data and two pure functions; all I/O belongs to `gpuledger.scrapers.http.fetch`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from gpuledger.core.contract import Contract
from gpuledger.core.document import Credential, Document, Request
from gpuledger.core.offer import Fact, Skipped
from gpuledger.core.validity import DEFAULT_TARGET
from gpuledger.scrapers.line_filter import LineFilter

MINUTE = timedelta(minutes=1)
FIVE_MINUTES = timedelta(minutes=5)
HOURLY = timedelta(hours=1)
FOUR_TIMES_A_DAY = timedelta(hours=6)
TWICE_A_DAY = timedelta(hours=12)
DAILY = timedelta(days=1)

FOUND_FROM_INTERVAL = timedelta(0)


def _follow_nothing(document: Document) -> Iterator[Request]:
    return iter(())


def _keep_all(request: Request) -> LineFilter | None:
    return None


def _rows(document: Document) -> str:
    return "rows"


def full_snapshots(document: Document) -> str:
    """`list_kind` of an archive whose files each hold all that was on sale."""
    return "snapshots"


@dataclass(frozen=True, kw_only=True)
class Source:
    """One place where prices are read.

    `requests` are sent first; a request with a `credential` that the environment lacks is left out. `follow`
    yields further requests from an answer (paging, fan-out over regions). `fallback` is tried when every
    request without a credential failed. `parse` turns one document into facts and raises `ParseError` only
    when the shape is wrong; a row it cannot use is `Skipped`, never silence.
    """

    name: str
    homepage: str
    every: timedelta
    """Interval of the schedule."""
    requests: tuple[Request, ...]
    parse: Callable[[Document], Iterable[Fact]]
    contract: Contract
    provider: str = ""
    """Unless stated: of the same name as the source."""
    fresh_for: timedelta = FOUND_FROM_INTERVAL
    """A price is stale when the source's last accepted run is older than this. Unless stated: two intervals and
    a sixth of one, but one to two hours more, so that a single failed run makes nothing stale."""
    shortest: timedelta = FOUND_FROM_INTERVAL
    """Shortest interval that an operator may set: what the provider permits, and what its answers change in. Unless
    stated: `every`, so that none may be set."""
    follow: Callable[[Document], Iterable[Request]] = _follow_nothing
    parse_batch: Callable[[Sequence[Document]], Iterable[tuple[Document, Fact]]] | None = None
    """Set where one answer does not suffice, e.g. a machine's price is the sum of rows on several pages.
    Reads all documents of one run together and names with each fact the document it comes from; `parse` of
    a single document is then the batch of one."""
    fallback: tuple[Request, ...] = ()
    parse_table: Callable[[Document], Any] | None = None
    """Set for a dated list of our own making that is too long to read fact by fact: the rows of `parse` as an Arrow
    table, named as `gpuledger.core.store.staging.seen_table` names them. They were judged when the list was made."""
    credentials: tuple[Credential, ...] = ()
    """Keys the source can use; unless stated, those of its `requests`. Where all of these carry one, the source
    is skipped without it."""
    currencies: tuple[str, ...] = ("USD",)
    """Currencies that this source publishes prices in; an answer in another one is refused. Empty: any, for
    archives of many hands."""
    covers: str = ""
    """What is published there, in one line, for `docs/sources.md`."""
    licence: str = ""
    """Terms note."""
    confidence: str = "direct"
    """Who saw the prices: `direct` (we read the provider), `observed` (another project read it by program),
    `reported` (it does not say how), `curated` (typed by hand), `derived` (computed from parts)."""
    is_dated_list: bool = False
    """A list whose rows carry their own dates (the bundled list, an imported archive). Every observation is
    kept, absence says nothing, and a live source that saw the same offer as late goes before it."""
    is_weighed_list: bool = False
    """A dated list that speaks of today and comes from elsewhere: its newest prices are weighed as a live source's."""
    list_kind: Callable[[Document], str] = _rows
    """What a file of a dated list is: `snapshots` (all that was on sale, so absence withdraws), `changes` (a price
    holds until the next row) or `rows` (dated observations, each by itself); see docs/validity.md."""
    parser_version: int = 1
    """Raise it when `parse` reads the same bytes differently."""
    seconds_between_requests: float = 1.0
    """Politeness per host."""
    max_body_mib: int = 64
    """An answer larger than this is refused; of a filtered answer, what is kept of it."""
    line_filter: Callable[[Request], LineFilter | None] = _keep_all
    """For requests whose answer is too long to keep: the lines that are archived and parsed."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "provider", self.provider or self.name)
        if self.is_dated_list:
            # its prices age as those of the provider's live source do
            object.__setattr__(self, "fresh_for", DEFAULT_TARGET)
        if self.fresh_for == FOUND_FROM_INTERVAL:
            slack = min(max(self.every / 6, timedelta(hours=1)), timedelta(hours=2))
            object.__setattr__(self, "fresh_for", 2 * self.every + slack)
        if self.shortest == FOUND_FROM_INTERVAL:
            object.__setattr__(self, "shortest", self.every)
        if not self.credentials:
            credentials = (request.credential for request in self.requests if request.credential)
            object.__setattr__(self, "credentials", tuple(dict.fromkeys(credentials)))


def skipped_by_reason(facts: Iterable[Fact]) -> dict[str, int]:
    """How many rows were left out, by reason, the most frequent first."""
    counts = Counter(fact.reason for fact in facts if isinstance(fact, Skipped))
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))

"""The program: from requests to a published snapshot, without Prefect. The Prefect files only wrap this.

fetch -> archive -> manifest | read -> judge -> record | publish. Left of the bar needs the network and
nothing else; from the manifest on, everything can be repeated from disk.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import duckdb

from gpuledger.core.alias import Alias, Aliases, read_aliases, seed_rows
from gpuledger.core.document import Document, Request
from gpuledger.core.errors import (
    CorruptError,
    GPULedgerError,
    MissingCredentialError,
    ParseError,
    SourceError,
    StoreBusyError,
)
from gpuledger.core.store import sql
from gpuledger.core.store.archive import Archive, FetchFailure, Manifest, run_id
from gpuledger.core.store.database import turn, turn_of_source, writing
from gpuledger.core.store.evidence import Weighed
from gpuledger.core.store.home import Home
from gpuledger.core.store.migrate import SourceRow, migrate
from gpuledger.core.store.publish import publish
from gpuledger.core.store.record import is_late, is_recorded, record
from gpuledger.core.store.shared.follow import Share, catch_up, recording
from gpuledger.flows import operator
from gpuledger.flows.traces import span
from gpuledger.flows.validate import Parsed, judge, read
from gpuledger.scrapers.http.fetch import Fetched, Fetcher, Known
from gpuledger.scrapers.source import Source

LOG = logging.getLogger("gpuledger")

RECOVERY = timedelta(days=40)
"""How far back a refresh looks for runs that were fetched and never recorded."""

ABANDONED = timedelta(minutes=15)
"""From this age on a run that another machine fetched and did not record is taken for left over."""

USER_ALIASES = "gpu_alias.csv"


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """What one refresh of one source did."""

    source: str
    run_id: str
    outcome: str
    """accepted, quarantined, failed, skipped (no key, or being read by another) or checked (dry run)."""
    offers: int = 0
    changes: int = 0
    new_offers: int = 0
    withdrawn: int = 0
    skipped: dict[str, int] = field(default_factory=dict[str, int])
    error: str | None = None
    url: str | None = None
    notes: tuple[str, ...] = ()
    moves: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    disputed: int = 0
    """Prices and absences that the ledger contradicts: kept, and not believed yet."""
    confirmed: int = 0
    evidence: tuple[str, ...] = ()
    """Some of what is disputed, one line each."""

    @property
    def state(self) -> str:
        """`outcome`, and whether an accepted run has disputed rows."""
        return "accepted with disputed rows" if self.outcome == "accepted" and self.disputed else self.outcome


@dataclass(frozen=True, kw_only=True)
class CycleReport:
    """What one refresh of several sources did."""

    runs: tuple[RunReport, ...]
    snapshot: int | None


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """What every step needs: where, which sources, and what time it is."""

    home: Home
    sources: tuple[Source, ...]
    clock: Callable[[], datetime]

    @property
    def archive(self) -> Archive:
        return Archive(self.home.archive)

    def source(self, name: str) -> Source | None:
        known = (*self.sources, operator.SOURCE)
        return next((source for source in known if source.name == name), None)

    def alias_rows(self) -> tuple[Alias, ...]:
        """The operator's own aliases go before the shipped ones."""
        own = self.home.path / USER_ALIASES
        return (*(read_aliases(own) if own.exists() else ()), *seed_rows())


def fetch_source(ledger: Ledger, source: Source, fetcher: Fetcher) -> tuple[Manifest, tuple[str, ...]]:
    """Fetch one source into the archive. A failure is a manifest too; only a missing key is raised.

    Raises:
        MissingCredentialError: the source cannot be read without a key.
        StoreBusyError: another refresh is reading the source.
    """
    with turn_of_source(ledger.home, source.name), span("fetch", source=source.name) as note:
        manifest, notes = _fetch(ledger, source, fetcher)
        note(
            run_id=manifest.run_id,
            documents=len(manifest.documents),
            error=manifest.failure.message if manifest.failure else None,
        )
        return manifest, notes


def _fetch(ledger: Ledger, source: Source, fetcher: Fetcher) -> tuple[Manifest, tuple[str, ...]]:
    archive = ledger.archive
    before = archive.newest(source.name, ledger.clock() - RECOVERY)
    # A clock that was set back must not write into the past: a source's times only go forward.
    earliest = before.observed_at + timedelta(microseconds=1) if before else datetime.min.replace(tzinfo=UTC)
    started_at = max(ledger.clock(), earliest)
    while archive.has_run(run_id(source.name, started_at)):
        started_at += timedelta(microseconds=1)
    entries: list[dict[str, Any]] = []
    failure: FetchFailure | None = None
    notes: tuple[str, ...] = ()
    is_complete = False

    def keep(document: Document) -> None:
        with span("archive", source=source.name, url=document.request.url) as note:
            entries.append(archive.put(document))
            note(sha256=entries[-1]["sha256"])

    superseded: list[dict[str, Any]] = []
    try:
        fetched = fetcher.fetch(source, keep=keep, known=lambda request: _known(archive, before, request))
        if source.fallback and fetched.is_complete:
            error = read(source, _manifest_of(source, started_at), fetched.documents).error
            if error is not None:
                fetched, superseded = _fall_back(source, fetcher, error, fetched, entries, keep)
        notes, is_complete = fetched.notes, fetched.is_complete
    except SourceError as error:
        failure = FetchFailure(kind=type(error).__name__, message=error.message, url=error.url)
    except GPULedgerError:
        raise
    except Exception as error:
        # An adapter that breaks ends its own run; the others go on. Its name says enough: what it says of
        # itself may hold a key.
        LOG.exception("the adapter broke", extra={"source": source.name})
        message = f"the adapter broke while following answers: {type(error).__name__}"
        failure = FetchFailure(kind=ParseError.__name__, message=message, url=source.homepage)
    manifest = replace(
        _manifest_of(source, started_at),
        observed_at=max(ledger.clock(), started_at),
        documents=tuple(entries),
        is_complete=is_complete,
        failure=failure,
        superseded=tuple(superseded),
    )
    archive.write_manifest(manifest)
    LOG.info(
        "fetched" if failure is None else "not fetched",
        extra={
            "source": source.name,
            "run_id": manifest.run_id,
            "error": failure.message if failure else None,
            "seconds": round((manifest.observed_at - manifest.started_at).total_seconds(), 3),
        },
    )
    return manifest, notes


def _fall_back(
    source: Source,
    fetcher: Fetcher,
    error: SourceError,
    fetched: Fetched,
    entries: list[dict[str, Any]],
    keep: Callable[[Document], None],
) -> tuple[Fetched, list[dict[str, Any]]]:
    """Ask the last resort, because what came cannot be read. Without an answer there either, what came stays
    the run's: it fails now, and a corrected adapter can replay it."""
    first = list(entries)
    entries.clear()
    try:
        return fetcher.fetch_fallback(source, error, keep=keep), first
    except SourceError:
        entries[:] = first
        return fetched, []


def _manifest_of(source: Source, started_at: datetime) -> Manifest:
    return Manifest(
        run_id=run_id(source.name, started_at),
        source=source.name,
        started_at=started_at,
        observed_at=started_at,
        documents=(),
    )


def _known(archive: Archive, before: Manifest | None, request: Request) -> Known | None:
    if before is None or before.failure:
        return None
    for entry in before.documents:
        if entry["url"] == request.url and entry["method"] == request.method:
            sha256, etag, modified = entry["sha256"], entry["etag"], entry["last_modified"]
            # Where the bytes broke, the whole answer is asked for, which mends the archive.
            if (etag or modified) and archive.holds(sha256):
                return Known(body=partial(archive.body, sha256), etag=etag, last_modified=modified)
    return None


def read_run(ledger: Ledger, manifest: Manifest) -> Parsed | None:
    """Read a run's documents back from the archive and parse them; `None` for a source of another release."""
    source = ledger.source(manifest.source)
    if source is None:
        return None
    with span("parse", source=manifest.source, run_id=manifest.run_id) as note:
        documents = ledger.archive.documents(manifest) if manifest.failure is None else []
        parsed = read(source, manifest, documents)
        note(
            offers=len(parsed.offers),
            skipped=len(parsed.skipped),
            error=parsed.error.message if parsed.error else None,
        )
    return parsed


def open_ledger(ledger: Ledger, connection: duckdb.DuckDBPyConnection) -> Aliases:
    """Bring the database to this release, and up to the shared log where there is one; returns the aliases
    that hold."""
    rows = ledger.alias_rows()
    migrate(connection, sources=[source_row(source) for source in ledger.sources], aliases=rows)
    aliases = Aliases(rows)
    catch_up(ledger.home, connection, aliases)
    return aliases


def source_row(source: Source) -> SourceRow:
    return SourceRow(
        source=source.name,
        provider=source.provider,
        kind="archive" if source.is_dated_list else "live",
        fresh_for_seconds=int(source.fresh_for.total_seconds()),
        every_seconds=int(source.every.total_seconds()),
        homepage=source.homepage,
        licence=source.licence,
        confidence=source.confidence,
    )


def record_runs(
    ledger: Ledger, parsed: Sequence[Parsed], *, sources: Sequence[str] = (), do_publish: bool = True
) -> CycleReport:
    """Record runs, and those that an earlier process fetched but never recorded, then publish once.

    Args:
        sources: those whose runs are taken however young, beside those of `parsed`. In an archive that several
            machines share, a young run of another source is in the hands of its machine.
    """
    reports: list[RunReport] = []
    with turn(ledger.home):
        with writing(ledger.home) as connection:
            aliases = open_ledger(ledger, connection)
            left_over, broken = _left_over(ledger, connection, parsed, sources)
            for run in sorted([*parsed, *left_over], key=_order):
                with recording(ledger.home, connection, aliases, run.writes_to) as share:
                    if is_recorded(connection, run.manifest.run_id):
                        continue
                    if not run.source.is_dated_list and is_late(connection, run.manifest):
                        broken.append(_broken(run.manifest.run_id, LATE))
                    else:
                        reports.append(record_one(connection, run, aliases, share))
        number = None
        if do_publish:
            with span("publish") as note:
                number = publish(ledger.home, now=ledger.clock())
                note(snapshot=number)
    return CycleReport(runs=(*reports, *broken), snapshot=number)


def _order(run: Parsed) -> str:
    return run.manifest.run_id


def _left_over(
    ledger: Ledger, connection: duckdb.DuckDBPyConnection, parsed: Sequence[Parsed], sources: Sequence[str]
) -> tuple[list[Parsed], list[RunReport]]:
    """Runs that an earlier process fetched but never recorded, and those of them that cannot be read."""
    now = ledger.clock()
    recorded = {row[0] for row in connection.execute("select run_id from scrape_run").fetchall()}
    ours = {run.manifest.run_id for run in parsed}
    at_hand = {*sources, *(run.source.name for run in parsed)}
    young = run_id("", now - ABANDONED) if ledger.home.follows else None
    found: list[Parsed] = []
    broken: list[RunReport] = []
    for run in ledger.archive.run_ids(now - RECOVERY):
        if young and run > young and run.partition("Z-")[2] not in at_hand:
            continue
        if run not in recorded and run not in ours:
            try:
                left = read_run(ledger, ledger.archive.manifest(run))
            except CorruptError as error:
                broken.append(_broken(run, str(error)))
                continue
            if left is not None:
                found.append(left)
    return found, broken


LATE = "a later run of this source is recorded already; `gpuledger replay` takes both in their order"


def _broken(run: str, error: str) -> RunReport:
    """A run that cannot be recorded: its part of the archive broke, or came back late. Named until that is mended."""
    return RunReport(source=run.partition("Z-")[2], run_id=run, outcome="failed", error=error)


def record_one(
    connection: duckdb.DuckDBPyConnection, run: Parsed, aliases: Aliases, share: Share | None = None
) -> RunReport:
    rates: dict[str, Decimal] = {
        row["currency"]: row["usd_per_unit"] for row in sql.rows(connection, "queries/exchange_rate_latest")
    }
    ids = {"source": run.source.name, "run_id": run.manifest.run_id}
    with span("check", **ids) as note:
        batch = judge(run, aliases=aliases, usd_per_unit=rates)
        note(outcome=batch.outcome, error=batch.error.message if batch.error else None)
    with span("record", **ids) as note:
        done = record(connection, batch, aliases, share=share)
        weighed = done.weighed or Weighed()
        note(outcome=batch.outcome, changes=done.changes, disputed=weighed.disputed)
    report = RunReport(
        source=run.source.name,
        run_id=run.manifest.run_id,
        outcome=batch.outcome,
        offers=batch.offer_count or len(batch.offers),
        changes=done.changes,
        new_offers=done.new_offers,
        withdrawn=done.withdrawn,
        skipped=dict(Counter(row.reason for row in batch.skipped or run.skipped).most_common()),
        error=batch.error.message if batch.error else None,
        url=batch.error.url if batch.error else None,
        moves=done.moves,
        notes=weighed.renames,
        disputed=weighed.disputed,
        confirmed=weighed.confirmed,
        evidence=weighed.evidence,
    )
    LOG.info("recorded", extra=vars(report))
    return report


def refresh(
    ledger: Ledger,
    sources: Sequence[Source],
    fetcher: Fetcher,
    *,
    done: Callable[[str, str], None] = lambda source, what: None,
) -> CycleReport:
    """Fetch all sources at once, record what is believable, publish once. One source's failure is its own.

    Args:
        done: called with a source's name and what became of its fetch, for showing progress.
    """
    with span("refresh", sources=[source.name for source in sources]) as note:
        parsed, notes, skipped = fetch_all(ledger, sources, fetcher, done)
        cycle = record_runs(ledger, parsed)
        note(snapshot=cycle.snapshot)
    runs = (replace(report, notes=(*notes.get(report.run_id, ()), *report.notes)) for report in cycle.runs)
    return CycleReport(runs=(*runs, *skipped), snapshot=cycle.snapshot)


def fetch_all(
    ledger: Ledger, sources: Sequence[Source], fetcher: Fetcher, done: Callable[[str, str], None]
) -> tuple[list[Parsed], dict[str, tuple[str, ...]], list[RunReport]]:
    """Fetch all sources at once: their runs, what the fetcher noted by run, and the sources left out."""
    skipped: list[RunReport] = []
    notes: dict[str, tuple[str, ...]] = {}

    def one(source: Source) -> Parsed | None:
        try:
            manifest, said = fetch_source(ledger, source, fetcher)
        except (MissingCredentialError, StoreBusyError) as error:
            report = RunReport(source=source.name, run_id="", outcome="skipped", error=str(error))
            skipped.append(report)
            done(source.name, "skipped")
            return None
        notes[manifest.run_id] = said
        done(source.name, "failed" if manifest.failure else "fetched")
        return read_run(ledger, manifest)

    with ThreadPoolExecutor(max_workers=max(1, len(sources))) as pool:
        # Each in a copy of this context, so that its spans are part of the refresh.
        fetches = [pool.submit(copy_context().run, one, source) for source in sources]
        return [run for fetch in fetches if (run := fetch.result()) is not None], notes, skipped

"""The program: from requests to a published snapshot, without Prefect. The Prefect files only wrap this.

fetch -> archive -> manifest | read -> judge -> record | publish. Left of the bar needs the network and
nothing else; from the manifest on, everything can be repeated from disk.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import copy_context
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import duckdb

from gpuledger.core.alias import Aliases
from gpuledger.core.document import Document, Request
from gpuledger.core.errors import (
    ClockError,
    GPULedgerError,
    MissingCredentialError,
    OlderReleaseError,
    ParseError,
    SourceError,
    StoreBusyError,
    StoreError,
)
from gpuledger.core.store import sql
from gpuledger.core.store.archive import Archive, FetchFailure, Manifest, run_id
from gpuledger.core.store.clocks import check_last_run, check_machine
from gpuledger.core.store.database import turn, turn_of_source, writing
from gpuledger.core.store.evidence import Weighed
from gpuledger.core.store.migrate import SourceRow, migrate
from gpuledger.core.store.publish import complete, hand_out, has_news
from gpuledger.core.store.record import is_late, is_recorded, record
from gpuledger.core.store.shared.follow import ShareRun, catch_up, recording
from gpuledger.flows.ledger import CycleReport, LedgerWriter, RunReport
from gpuledger.flows.left_over import (
    LATE,
    RECOVERY,
    cannot_record,
    left_over,
    report_of,
)
from gpuledger.flows.machines import say, say_of
from gpuledger.flows.telemetry import span
from gpuledger.flows.validate import Parsed, judge, read_documents
from gpuledger.scrapers.http.fetch import Fetched, Fetcher, FormerAnswer
from gpuledger.scrapers.source import Source

LOG = logging.getLogger("gpuledger")


def fetch_source(ledger: LedgerWriter, source: Source, fetcher: Fetcher) -> tuple[Manifest, tuple[str, ...]]:
    """Fetch one source into the archive. A failure is a manifest too; only a missing key is raised.

    Raises:
        MissingCredentialError: the source cannot be read without a key.
        StoreBusyError: another refresh is reading the source.
        ClockError: this machine's clock is ahead, or the source's newest run began in the future.
        NotMountedError: the shared store's folders are not there.
    """
    meet_store(ledger)
    with turn_of_source(ledger.home, source.name) as held, span("fetch", source=source.name) as note:
        now = held.now() if held else ledger.clock()
        check_machine(ledger.clock(), now)
        manifest, notes = _fetch(ledger, source, fetcher, now)
        note(
            run_id=manifest.run_id,
            documents=len(manifest.documents),
            error=manifest.failure.message if manifest.failure else None,
        )
        return manifest, notes


def meet_store(ledger: LedgerWriter) -> None:
    """Open a shared store for the first time from this home, so that its folders are known before they are written.

    Raises:
        NotMountedError: they are not there.
        StoreError: the catalogue does not answer.
    """
    if ledger.home.lake is not None and ledger.home.store_id() is None:
        with turn(ledger.home), writing(ledger.home) as connection:
            open_ledger(ledger, connection)


def _fetch(
    ledger: LedgerWriter, source: Source, fetcher: Fetcher, now: datetime
) -> tuple[Manifest, tuple[str, ...]]:
    archive = ledger.archive
    before = archive.newest(source.name, ledger.clock() - RECOVERY)
    if before is not None:
        check_last_run(before.run_id, before.started_at, now)
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
        fetched = fetcher.fetch(
            source, keep=keep, former=lambda request: _former_answer(archive, before, request)
        )
        if source.fallback and fetched.is_complete:
            error = read_documents(source, _manifest_of(source, started_at), fetched.documents).error
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


def _former_answer(archive: Archive, before: Manifest | None, request: Request) -> FormerAnswer | None:
    if before is None or before.failure:
        return None
    for entry in before.documents:
        if entry["url"] == request.url and entry["method"] == request.method:
            sha256, etag, modified = entry["sha256"], entry["etag"], entry["last_modified"]
            # Where the bytes broke, the whole answer is asked for, which mends the archive.
            if (etag or modified) and archive.holds(sha256):
                return FormerAnswer(body=partial(archive.body, sha256), etag=etag, last_modified=modified)
    return None


def read_run(ledger: LedgerWriter, manifest: Manifest) -> Parsed | None:
    """Read a run's documents back from the archive and parse them; `None` for a source of another release."""
    source = ledger.source(manifest.source)
    if source is None:
        return None
    with span("parse", source=manifest.source, run_id=manifest.run_id) as note:
        documents = ledger.archive.documents(manifest) if manifest.failure is None else []
        parsed = read_documents(source, manifest, documents)
        note(
            offers=len(parsed.offers),
            skipped=len(parsed.skipped),
            error=parsed.error.message if parsed.error else None,
        )
    return parsed


def open_ledger(ledger: LedgerWriter, connection: duckdb.DuckDBPyConnection) -> Aliases:
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
    ledger: LedgerWriter, parsed: Sequence[Parsed], *, sources: Sequence[str] = (), do_publish: bool = True
) -> CycleReport:
    """Record runs, and those that an earlier process fetched but never recorded, then publish once.

    Args:
        sources: those whose runs are taken however young, beside those of `parsed`. A young run of another source is
            in the hands of the process that fetched it.

    Returns:
        A report for each run of `parsed`, whoever recorded it, and for each that was left over.
    """
    reports: list[RunReport] = []
    ours = {run.manifest.run_id for run in parsed}
    number = None
    with turn(ledger.home), ExitStack() as publishing:
        with writing(ledger.home) as connection:
            try:
                aliases = open_ledger(ledger, connection)
            except OlderReleaseError as error:
                LOG.warning("%s", error)
                return CycleReport(runs=tuple(_left_to_others(run, error) for run in parsed), snapshot=None)
            at_hand = {*sources, *(run.source.name for run in parsed)}
            left, broken = left_over(ledger, connection, read_run, ours=ours, at_hand=at_hand)
            for run in sorted([*parsed, *left], key=_order):
                with recording(ledger.home, connection, aliases, run.writes_to) as share:
                    if is_recorded(connection, run.manifest.run_id):
                        if run.manifest.run_id in ours:
                            reports.append(report_of(connection, run.manifest.run_id))
                    elif not run.source.is_dated_list and is_late(connection, run.manifest):
                        broken.append(cannot_record(run.manifest.run_id, LATE))
                    else:
                        reports.append(record_one(connection, run, aliases, share))
            # What no run was recorded for, a timer that found nothing due, need not copy the whole ledger.
            if do_publish and (reports or broken or has_news(ledger.home, connection)):
                note = publishing.enter_context(span("publish"))
                number = complete(ledger.home, connection, now=ledger.clock())
                note(snapshot=number)
        if number is not None:
            hand_out(ledger.home, number)
    return CycleReport(runs=(*reports, *broken), snapshot=number)


def _left_to_others(run: Parsed, error: OlderReleaseError) -> RunReport:
    """A run that is in the archive, where a machine of the newer release finds it."""
    return RunReport(
        source=run.source.name,
        run_id=run.manifest.run_id,
        outcome="fetched",
        offers=len(run.offers),
        error=str(error),
        is_of_machine=True,
        notes=(f"fetched, and left to a machine of the newer release to record: {error}",),
    )


def _order(run: Parsed) -> str:
    return run.manifest.run_id


def record_one(
    connection: duckdb.DuckDBPyConnection, run: Parsed, aliases: Aliases, share: ShareRun | None = None
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


def refresh_sources(
    ledger: LedgerWriter,
    sources: Sequence[Source],
    fetcher: Fetcher,
    *,
    done: Callable[[str, str], None] = lambda source, what: None,
) -> CycleReport:
    """Fetch all sources at once, record what is believable, publish once. One source's failure is its own.

    Args:
        done: called with a source's name and what became of its fetch, for showing progress.
    """
    try:
        with span("refresh", sources=[source.name for source in sources]) as note:
            parsed, notes, skipped = fetch_all(ledger, sources, fetcher, done)
            # By a clock that is ahead, everybody's young runs would look left over.
            is_ahead = not parsed and any(report.is_of_machine for report in skipped)
            cycle = CycleReport(runs=(), snapshot=None) if is_ahead else record_runs(ledger, parsed)
            note(snapshot=cycle.snapshot)
    except StoreError as error:
        say(ledger, str(error))
        raise
    say_of(ledger, (*cycle.runs, *skipped))
    runs = (replace(report, notes=(*notes.get(report.run_id, ()), *report.notes)) for report in cycle.runs)
    return CycleReport(runs=(*runs, *skipped), snapshot=cycle.snapshot)


def fetch_all(
    ledger: LedgerWriter, sources: Sequence[Source], fetcher: Fetcher, done: Callable[[str, str], None]
) -> tuple[list[Parsed], dict[str, tuple[str, ...]], list[RunReport]]:
    """Fetch all sources at once: their runs, what the fetcher noted by run, and the sources left out."""
    skipped: list[RunReport] = []
    notes: dict[str, tuple[str, ...]] = {}

    def one(source: Source) -> Parsed | None:
        try:
            manifest, report = fetch_source(ledger, source, fetcher)
        except (MissingCredentialError, StoreBusyError, ClockError) as error:
            is_clock = isinstance(error, ClockError)
            outcome = "failed" if is_clock else "skipped"
            skipped.append(
                RunReport(
                    source=source.name,
                    run_id="",
                    outcome=outcome,
                    error=str(error),
                    is_of_machine=is_clock,
                )
            )
            done(source.name, outcome)
            return None
        notes[manifest.run_id] = report
        done(source.name, "failed" if manifest.failure else "fetched")
        return read_run(ledger, manifest)

    with ThreadPoolExecutor(max_workers=max(1, len(sources))) as pool:
        # Each in a copy of this context, so that its spans are part of the refresh.
        fetches = [pool.submit(copy_context().run, one, source) for source in sources]
        return [run for fetch in fetches if (run := fetch.result()) is not None], notes, skipped

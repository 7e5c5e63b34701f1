"""The program: from requests to a published snapshot, without Prefect. The Prefect files only wrap this.

fetch -> archive -> manifest | read -> judge -> record | publish. Left of the bar needs the network and
nothing else; from the manifest on, everything can be repeated from disk.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from contextvars import copy_context
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import duckdb

from gpuledger.core.alias import Aliases
from gpuledger.core.errors import (
    ClockError,
    MissingCredentialError,
    OlderReleaseError,
    StoreBusyError,
    StoreError,
)
from gpuledger.core.store import sql
from gpuledger.core.store.archive import Manifest
from gpuledger.core.store.clocks import check_machine
from gpuledger.core.store.database import joined, turn, turn_of_source, writing
from gpuledger.core.store.evidence import Weighed
from gpuledger.core.store.leases import Leases
from gpuledger.core.store.migrate import SourceRow, migrate
from gpuledger.core.store.publish import complete_step, hand_out, has_news, publish_rest
from gpuledger.core.store.record import is_late, is_recorded, record
from gpuledger.core.store.shared.follow import ShareRun, catch_up, recording
from gpuledger.flows.fetch_run import run_steps
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
from gpuledger.scrapers.http.fetch import Fetcher
from gpuledger.scrapers.http.sweep import take_all
from gpuledger.scrapers.source import Source

LOG = logging.getLogger("gpuledger")


def fetch_source(ledger: LedgerWriter, source: Source, fetcher: Fetcher) -> tuple[Manifest, tuple[str, ...]]:
    """Fetch one source into the archive. A failure is a manifest too; only a missing key is raised.

    Raises:
        MissingCredentialError: the source cannot be read without a key.
        StoreBusyError: another refresh is reading the source, or a poller reads it all the time.
        ClockError: this machine's clock is ahead, or the source's newest run began in the future.
        NotMountedError: the shared store's folders are not there.
    """
    meet_store(ledger)
    with turn_of_source(ledger.home, source.name) as held, span("fetch", source=source.name) as note:
        Leases(home=ledger.home, clock=ledger.clock).check_free(source.name)
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
    before = ledger.archive.newest(source.name, ledger.clock() - RECOVERY)
    manifest, notes = take_all(run_steps(ledger, source, fetcher, before, now), fetcher.take)
    ledger.archive.write_manifest(manifest)
    return manifest, notes


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
    ledger: LedgerWriter,
    parsed: Sequence[Parsed],
    *,
    sources: Sequence[str] = (),
    looks_back: bool = True,
    is_one_commit: bool = False,
    do_publish: bool | Callable[[Sequence[RunReport]], bool] = True,
) -> CycleReport:
    """Record runs, and those that an earlier process fetched but never recorded, then publish once.

    Args:
        sources: those whose runs are taken however young, beside those of `parsed`. A young run of another source is
            in the hands of the process that fetched it.
        looks_back: whether runs that were never recorded are looked for, which reads the names of all that the archive
            holds of two months.
        is_one_commit: all of them or none, in a store of this home's own; many runs are quicker so.
        do_publish: whether to publish, or what says so by what was recorded.

    Returns:
        A report for each run of `parsed`, whoever recorded it, and for each that was left over.
    """
    reports: list[RunReport] = []
    ours = {run.manifest.run_id for run in parsed}
    number, is_left = None, False
    with turn(ledger.home), ExitStack() as publishing:
        with writing(ledger.home) as connection:
            try:
                aliases = open_ledger(ledger, connection)
            except OlderReleaseError as error:
                LOG.warning("%s", error)
                return CycleReport(runs=tuple(_left_to_others(run, error) for run in parsed), snapshot=None)
            left: list[Parsed] = []
            broken: list[RunReport] = []
            if looks_back:
                at_hand = {*sources, *(run.source.name for run in parsed)}
                left, broken = left_over(ledger, connection, read_run, ours=ours, at_hand=at_hand)
            # a run that machines share is committed here and there, by itself
            is_joined = is_one_commit and ledger.home.follows is None
            with joined(connection) if is_joined else nullcontext():
                for run in sorted([*parsed, *left], key=_order):
                    with recording(ledger.home, connection, aliases, run.writes_to) as share:
                        if is_recorded(connection, run.manifest.run_id):
                            if run.manifest.run_id in ours:
                                reports.append(report_of(connection, run.manifest.run_id))
                        elif not run.source.is_dated_list and is_late(connection, run.manifest):
                            broken.append(cannot_record(run.manifest.run_id, LATE))
                        else:
                            reports.append(record_one(connection, run, aliases, share))
            is_wanted = do_publish if isinstance(do_publish, bool) else do_publish((*reports, *broken))
            # What no run was recorded for, a timer that found nothing due, need not copy the whole ledger.
            if is_wanted and (reports or broken or has_news(ledger.home, connection)):
                note = publishing.enter_context(span("publish"))
                number = complete_step(ledger.home, connection, now=ledger.clock())
                is_left = number is None
                note(snapshot=number)
        if number is not None:
            hand_out(ledger.home, number)
    if is_left:
        number = publish_rest(ledger.home, ledger.clock)
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
        notes=(*weighed.renames, *run.rows_ahead),
        disputed=weighed.disputed,
        confirmed=weighed.confirmed,
        evidence=weighed.evidence,
        is_settled=done.is_settled,
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

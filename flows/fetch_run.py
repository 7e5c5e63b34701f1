"""A run, from the first request to its manifest: what is fetched is in the archive before anything reads it.

Steps without a network, so that a thread and an event loop make the same run of the same answers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from gpuledger.core.document import Document, Request
from gpuledger.core.errors import GPULedgerError, ParseError, SourceError
from gpuledger.core.store.archive import Archive, FetchFailure, Manifest, run_id
from gpuledger.core.store.clocks import check_last_run
from gpuledger.flows.ledger import LedgerWriter
from gpuledger.flows.telemetry import span
from gpuledger.flows.validate import read_documents
from gpuledger.scrapers.http.attempt import FetchPolicy, FormerAnswer
from gpuledger.scrapers.http.sweep import Fetched, Steps, Work, fallback_steps, fetch_steps
from gpuledger.scrapers.source import Source

LOG = logging.getLogger("gpuledger")


def run_steps(
    ledger: LedgerWriter, source: Source, policy: FetchPolicy, before: Manifest | None, now: datetime
) -> Steps[tuple[Manifest, tuple[str, ...]]]:
    """Fetch one source into the archive, but for the manifest, which is the caller's to write. A failure is a manifest
    too; only a missing key is raised.

    Args:
        before: the source's newest run.
        now: by the clock that all machines of the store have in common.

    Raises:
        MissingCredentialError: the source cannot be read without a key.
        ClockError: the source's newest run began in the future.
    """
    archive = ledger.archive
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
        fetched = yield from fetch_steps(
            policy, source, keep, lambda request: _former_answer(archive, before, request)
        )
        if source.fallback and fetched.is_complete:
            documents, manifest = fetched.documents, _manifest_of(source, started_at)
            unread: SourceError | None = yield Work(lambda: read_documents(source, manifest, documents).error)
            if unread is not None:
                fetched, superseded = yield from _fall_back(source, unread, fetched, entries, keep)
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
    error: SourceError,
    fetched: Fetched,
    entries: list[dict[str, Any]],
    keep: Callable[[Document], None],
) -> Steps[tuple[Fetched, list[dict[str, Any]]]]:
    """Ask the last resort, because what came cannot be read. Without an answer there either, what came stays
    the run's: it fails now, and a corrected adapter can replay it."""
    first = list(entries)
    entries.clear()
    try:
        last = yield from fallback_steps(source, error, keep)
        return last, first
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

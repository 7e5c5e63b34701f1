"""The pipeline under Prefect: one flow run per source, retries on transient fetch errors only.

Tasks pass run ids, never bytes: a retry resumes from the archive, and replay is the same code. Read, judge
and record are deterministic; retrying them would hide a bug.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import FlowRunContext
from prefect.tasks import Task, exponential_backoff

from gpuledger.core.config import Settings, load_settings
from gpuledger.core.errors import (
    ClockError,
    GPULedgerError,
    LeasedError,
    MissingCredentialError,
    SourceError,
    StoreError,
    TransientFetchError,
)
from gpuledger.core.purchase_option import option_text
from gpuledger.core.store.home import home_of
from gpuledger.flows import telemetry, timetable
from gpuledger.flows.ledger import LedgerWriter, RunReport
from gpuledger.flows.notify import UNTOLD, notify
from gpuledger.flows.pipeline import fetch_source, read_run, record_runs
from gpuledger.flows.watch import look_and_tell
from gpuledger.scrapers.archives.registry import EVERY_SOURCE
from gpuledger.scrapers.http.attempt import secret_variables
from gpuledger.scrapers.http.aws_api import signed_sources
from gpuledger.scrapers.http.fetch import Fetcher
from gpuledger.scrapers.registry import SOURCES, get

CATCH_UP = "catch-up"
"""Tag of a run that was started because its source was due, and not by the schedule itself."""


class RunFailedError(SourceError):
    """A run ended without prices; the flow run is marked as failed so that somebody sees it."""


def _clock() -> datetime:
    return datetime.now(UTC)


def _settings() -> Settings:
    return load_settings(os.environ)


def _ledger(settings: Settings) -> LedgerWriter:
    return LedgerWriter(home=home_of(settings), sources=EVERY_SOURCE, clock=_clock)


def _is_transient(task_: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Whether another attempt may end otherwise."""
    result = state.result(raise_on_failure=False)
    return isinstance(result, TransientFetchError)


@task(
    name="fetch",
    retries=2,
    retry_delay_seconds=exponential_backoff(backoff_factor=10),
    retry_jitter_factor=0.5,
    retry_condition_fn=_is_transient,
)
def fetch(source_name: str) -> str:
    """Fetch one source into the archive; returns the run's id.

    Raises:
        TransientFetchError: worth another attempt of this task. The failed run is in the archive too.
    """
    settings = _settings()
    ledger = _ledger(settings)
    fetcher = Fetcher(
        client=httpx.Client(),
        settings=settings.fetch,
        environ=os.environ,
        urls={get(name).name: url for name, url in settings.source_urls.items()},
        clock=ledger.clock,
        secrets=secret_variables(SOURCES),
        signed=signed_sources(os.environ, ledger.clock),
    )
    manifest, notes = fetch_source(ledger, get(source_name), fetcher)
    for note in notes:
        get_run_logger().info("%s: %s", source_name, note)
    failure = manifest.failure
    if failure is not None and failure.kind == TransientFetchError.__name__:
        raise TransientFetchError(source_name, failure.url, failure.message)
    return manifest.run_id


@task(name="record")
def record(run_id: str) -> RunReport:
    """Read, judge, record and publish one run, and any that an earlier process left behind."""
    ledger = _ledger(_settings())
    parsed = read_run(ledger, ledger.archive.manifest(run_id))
    cycle = record_runs(ledger, [parsed] if parsed else [])
    notify(_settings().notify.webhook, cycle.runs, at=_clock(), untold=ledger.home.path / UNTOLD)
    look_and_tell(ledger.home, _settings().notify, os.environ, at=_clock())
    mine = next((report for report in cycle.runs if report.run_id == run_id), None)
    if mine is None:
        raise StoreError(f"{run_id} was fetched and is not in the ledger: its source is not of this release")
    return mine


@task(name="record failures")
def record_failures(source_name: str) -> None:
    """Put runs that were fetched in vain into the ledger, where `status` shows them, and tell the webhook."""
    settings = _settings()
    ledger = _ledger(settings)
    cycle = record_runs(ledger, [], sources=[source_name])
    notify(settings.notify.webhook, cycle.runs, at=_clock(), untold=ledger.home.path / UNTOLD)
    get_run_logger().warning("%s: no answer; every earlier price stays", source_name)


@flow(name="refresh", flow_run_name="refresh-{source_name}", log_prints=False)
def refresh(source_name: str, every_seconds: int | None = None) -> dict[str, Any]:
    """Refresh one source: fetch, archive, record, publish, and an artifact that says what moved.

    Args:
        every_seconds: interval of the schedule. A scheduled run in whose place another one read the source meanwhile,
            as of those that pile up while no worker runs, reads nothing.

    Raises:
        SourceError: no believable answer; earlier prices stay in place.
    """
    if every_seconds is not None and _is_served(source_name, timedelta(seconds=every_seconds)):
        get_run_logger().info("%s: read already for this time of its schedule", source_name)
        return {"source": source_name, "outcome": "read already"}
    telemetry.start(os.environ)
    with telemetry.span("refresh", sources=[source_name]) as note:
        done = _refreshed(source_name)
        note(outcome=done["outcome"])
    return done


def _is_served(source_name: str, every: timedelta) -> bool:
    run = FlowRunContext.get()
    if run is None or run.flow_run is None or run.flow_run.expected_start_time is None:
        return False
    if not run.flow_run.auto_scheduled and CATCH_UP not in run.flow_run.tags:
        return False
    newest = timetable.newest_runs(_ledger(_settings()), _clock()).get(source_name)
    return newest is not None and timetable.is_served(newest, every, run.flow_run.expected_start_time)


def _refreshed(source_name: str) -> dict[str, Any]:
    try:
        run_id = fetch(source_name)
    except MissingCredentialError as error:
        get_run_logger().warning("%s", error)
        return {"source": source_name, "outcome": "skipped", "error": str(error)}
    except LeasedError as error:
        # a poller reads it every few minutes; should that end, the next run of this schedule reads it
        get_run_logger().info("%s", error)
        return {"source": source_name, "outcome": "read already", "error": str(error)}
    except ClockError:
        raise
    except GPULedgerError:
        record_failures(source_name)
        raise
    report = record(run_id)
    create_table_artifact(
        key=f"refresh-{source_name.replace('_', '-')}",
        table=artifact_rows(report),
        description=f"{source_name}: {report.outcome}",
    )
    if report.outcome in {"failed", "quarantined"}:
        raise RunFailedError(source_name, report.url or "", f"{report.outcome}: {report.error}")
    return {
        "source": source_name,
        "outcome": report.outcome,
        "offers": report.offers,
        "changes": report.changes,
        "withdrawn": report.withdrawn,
    }


def artifact_rows(report: RunReport) -> list[dict[str, Any]]:
    """The run as a table: counts first, then skips by reason, then the largest price moves."""
    counts = {
        "offers": report.offers,
        "new offers": report.new_offers,
        "changes": report.changes,
        "withdrawn": report.withdrawn,
    }
    rows: list[dict[str, Any]] = [
        {"kind": "count", "what": name, "value": str(value)} for name, value in counts.items()
    ]
    if report.error:
        rows.append({"kind": "error", "what": report.outcome, "value": report.error})
    rows += [
        {"kind": "skipped", "what": reason, "value": str(count)} for reason, count in report.skipped.items()
    ]
    rows += [
        {
            "kind": "price move",
            "what": f"{move['provider']} {move['instance_type']} {move['region']},"
            f" {option_text(move['purchase_option'])}",
            "value": f"{move['amount_before']} to {move['amount']} {move['currency']} per {move['unit']}"
            f" ({move['change']:+.1%})",
        }
        for move in report.moves
    ]
    return rows

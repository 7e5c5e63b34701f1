"""Schedules made from the sources themselves: one deployment per source, its interval as declared."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx
from prefect import get_client
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.runner import Runner
from prefect.schedules import Interval
from prefect.settings import PREFECT_API_URL
from prefect.types.entrypoint import EntrypointType

from gpuledger.core.config import load_settings
from gpuledger.core.errors import ConfigError
from gpuledger.core.store.database import home_of
from gpuledger.flows import timetable
from gpuledger.flows.ledger import LedgerWriter
from gpuledger.flows.scheduled.refresh import CATCH_UP, refresh
from gpuledger.flows.scheduled.upkeep import audit, compact
from gpuledger.scrapers.archives.registry import EVERY_SOURCE
from gpuledger.scrapers.registry import SOURCES
from gpuledger.scrapers.source import Source

SECONDS_TO_ANSWER = 5.0
"""What a Prefect server may take to say that it is there."""


def deployment(source: Source) -> RunnerDeployment:
    """The deployment of one source. Named by its module, since the file form would load the flow twice."""
    made = refresh.to_deployment(
        name=source.name,
        # With an anchor of its own no restart moves a schedule, and the sources do not start together.
        schedule=Interval(source.every, anchor_date=timetable.anchor(source.name, source.every)),
        parameters={"source_name": source.name, "every_seconds": int(source.every.total_seconds())},
        tags=["gpuledger", source.provider],
        description=source.covers,
        # A run that is still going is enough: a second one of the same source would only wait for the lock.
        concurrency_limit=ConcurrencyLimitConfig(
            limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW
        ),
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    assert isinstance(made, RunnerDeployment), "to_deployment is asynchronous only inside an event loop"
    return made


def deployments(sources: Iterable[Source] = SOURCES) -> list[RunnerDeployment]:
    """One deployment per source that is fetched."""
    return [deployment(source) for source in sources if source.requests]


def upkeep() -> list[RunnerDeployment]:
    """The audit after every hour and the compaction of every night."""
    made = [
        flow.to_deployment(
            name=name,
            schedule=Interval(every, anchor_date=at),
            tags=["gpuledger"],
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        for flow, name, (every, at) in (
            (audit, "hourly", timetable.AUDIT_TIMES),
            (compact, "nightly", timetable.COMPACTION_TIMES),
        )
    ]
    return [one for one in made if isinstance(one, RunnerDeployment)]


def serve(sources: Iterable[Source] = SOURCES) -> None:
    """Register all deployments with the configured Prefect server, start those that are due at once, and run what is
    scheduled.

    Raises:
        ConfigError: there is no server, or it went away.
    """
    chosen = tuple(sources)
    with _server():
        runner = Runner(pause_on_shutdown=False)
        for made in (*deployments(chosen), *upkeep()):
            runner.add_deployment(made)  # pyright: ignore[reportUnusedCoroutine]
        start_due(chosen)
        _run(runner)


def start_due(sources: Iterable[Source] = SOURCES) -> tuple[str, ...]:
    """Start a run of each deployed source that is due: never read, or past its time while nothing ran. Returns their
    names.

    Raises:
        ConfigError: there is no server.
    """
    ledger = LedgerWriter(
        home=home_of(load_settings(os.environ)), sources=EVERY_SOURCE, clock=lambda: datetime.now(UTC)
    )
    late = timetable.due(ledger, (source for source in sources if source.requests)).sources
    timetable.begin(ledger, late)
    started: list[str] = []
    with _server(), get_client(sync_client=True) as client:
        for source in late:
            try:
                deployed = client.read_deployment_by_name(f"{refresh.name}/{source.name}")
            except ObjectNotFound:
                continue
            client.create_flow_run_from_deployment(deployed.id, tags=["gpuledger", source.provider, CATCH_UP])
            started.append(source.name)
    return tuple(started)


def _run(runner: Runner) -> None:
    import asyncio

    try:
        asyncio.run(runner.start())
    except KeyboardInterrupt:
        return


@contextmanager
def _server() -> Generator[None]:
    """A Prefect server that answers; without one, or when it goes away, one line says so."""
    address = PREFECT_API_URL.value()
    if not address:
        raise ConfigError(
            "no Prefect server: start one with `prefect server start`, and set PREFECT_API_URL to its address,"
            " such as http://127.0.0.1:4200/api"
        )
    try:
        httpx.get(f"{address.rstrip('/')}/health", timeout=SECONDS_TO_ANSWER).raise_for_status()
        yield
    except (httpx.HTTPError, PrefectException) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ConfigError(
            f"the Prefect server at {address} does not answer: {reason}; start it, or set PREFECT_API_URL"
        ) from error

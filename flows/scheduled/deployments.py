"""Schedules made from the sources themselves: one deployment per source, its interval as declared."""

from __future__ import annotations

from collections.abc import Iterable

from prefect import serve as serve_deployments
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.types.entrypoint import EntrypointType

from gpuledger.flows.scheduled.refresh import refresh
from gpuledger.flows.scheduled.upkeep import audit, compact
from gpuledger.scrapers.registry import SOURCES
from gpuledger.scrapers.source import Source


def deployment(source: Source) -> RunnerDeployment:
    """The deployment of one source. Named by its module, since the file form would load the flow twice."""
    made = refresh.to_deployment(
        name=source.name,
        interval=source.every,
        parameters={"source_name": source.name},
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
        audit.to_deployment(
            name="hourly", cron="17 * * * *", tags=["gpuledger"], entrypoint_type=EntrypointType.MODULE_PATH
        ),
        compact.to_deployment(
            name="nightly", cron="41 3 * * *", tags=["gpuledger"], entrypoint_type=EntrypointType.MODULE_PATH
        ),
    ]
    return [one for one in made if isinstance(one, RunnerDeployment)]


def serve() -> None:
    """Register all deployments with the configured Prefect server and run what they schedule."""
    serve_deployments(*deployments(), *upkeep(), pause_on_shutdown=False)  # pyright: ignore[reportArgumentType]

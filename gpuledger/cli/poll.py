"""The command that stays: poll."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gpuledger.cli import context
from gpuledger.cli.options import SourceNames
from gpuledger.core.errors import ConfigError

if TYPE_CHECKING:
    from gpuledger.flows.ledger import CycleReport, LedgerWriter
    from gpuledger.flows.polling.poller import Poller
    from gpuledger.scrapers.source import Source


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(poll)


def poll(
    source: SourceNames = None,
    tick_seconds: Annotated[
        float,
        typer.Option(help="Record together what came within so many seconds; default: 15.", min=1, max=300),
    ] = 15.0,
) -> None:
    """Read the sources that are set to minutes, until stopped. Set sources.NAME.every in gpuledger.toml first."""
    with context.answering():
        import asyncio
        import os

        from gpuledger.flows import telemetry
        from gpuledger.flows.imports import load_bundled

        telemetry.log_as_json(os.environ)
        telemetry.start(os.environ)
        ledger = context.writer()
        polled = _polled(ledger, source)
        load_bundled(ledger)
        asyncio.run(_polling(ledger, polled, tick_seconds))


def _polled(ledger: LedgerWriter, names: list[str] | None) -> tuple[Source, ...]:
    """The sources that are set to less than an hour and whose keys are there."""
    import os

    from gpuledger.flows.source_states import lacks_key
    from gpuledger.flows.timetable import as_set, is_polled, spoken
    from gpuledger.scrapers.registry import SOURCES, get

    intervals = context.settings().source_intervals
    chosen = [get(name) for name in names] if names else [one for one in SOURCES if one.requests]
    for name in intervals:
        get(name)
    polled = tuple(one for one in as_set(chosen, intervals) if is_polled(one))
    if not polled:
        shortest = ", ".join(
            f"{one.name} {spoken(one.shortest)}" for one in chosen if one.shortest < one.every
        )
        raise ConfigError(
            "no source is set to less than an hour; set sources.NAME.every in gpuledger.toml, or"
            f" GPULEDGER_SOURCE_NAME_EVERY; shortest: {shortest or 'none of these permits it'}"
        )
    for one in polled:
        if lacks_key(one, os.environ):
            keys = " or ".join(credential.variable for credential in one.credentials)
            context.say(f"{one.name}: not configured, {keys} is not set")
    able = tuple(one for one in polled if not lacks_key(one, os.environ))
    if not able:
        raise ConfigError("none of the sources that are set to less than an hour has its key")
    return able


async def _polling(ledger: LedgerWriter, sources: tuple[Source, ...], tick_seconds: float) -> None:
    import asyncio
    import signal

    import httpx

    from gpuledger.cli.sources import fetch_policy
    from gpuledger.flows.polling.poller import Poller
    from gpuledger.flows.polling.recorder import Recorder
    from gpuledger.scrapers.http.fetch_async import AsyncFetcher

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncClient(limits=limits) as client:
        poller = Poller(
            ledger=ledger,
            sources=sources,
            fetcher=AsyncFetcher(client=client, **fetch_policy(ledger)),
            recorder=Recorder(ledger, lambda cycle: _tell(ledger, cycle)),
            tick_seconds=tick_seconds,
        )
        context.say(f"polling {len(sources)} sources as {poller.holder}: {_shown(sources)}")
        await poller.run(stop)
    context.say(_summary(poller))


def _tell(ledger: LedgerWriter, cycle: CycleReport) -> None:
    import os

    from gpuledger.flows.notify import UNTOLD, notify
    from gpuledger.flows.watch import look_and_tell

    settings, at = context.settings(), context.now()
    notify(settings.notify.webhook, cycle.runs, at=at, untold=ledger.home.path / UNTOLD)
    if cycle.snapshot is not None:
        for crossing in look_and_tell(ledger.home, settings.notify, os.environ, at=at):
            context.say(crossing.to_body(at)["text"])


def _shown(sources: tuple[Source, ...]) -> str:
    from gpuledger.flows.timetable import spoken

    return ", ".join(f"{source.name} every {spoken(source.every)}" for source in sources)


def _summary(poller: Poller) -> str:
    paces = poller.paces.values()
    late = max((pace.latest.total_seconds() for pace in paces), default=0.0)
    return (
        f"ended: {sum(pace.reads for pace in paces)} reads, {sum(pace.missed for pace in paces)} missed,"
        f" the latest began {late:.1f} s after its time"
    )

"""Commands about where prices are from: refresh, status, sources, unmapped, alias, deploy."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpuledger import formats
from gpuledger.cli import context, table
from gpuledger.cli.columns import SOURCE_COLUMNS
from gpuledger.cli.options import FormatOption, SourceNames
from gpuledger.cli.table import Column
from gpuledger.core.count import counted
from gpuledger.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpuledger.flows.ledger import CycleReport, LedgerWriter, RunReport
    from gpuledger.scrapers.http.fetch import Fetcher
    from gpuledger.scrapers.source import Source


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    for command in (refresh, status, sources, unmapped, alias, deploy):
        app.command()(command)


def fetch_policy(ledger: LedgerWriter) -> dict[str, Any]:
    """What holds for every request of this invocation: the arguments of a fetcher beside its client."""
    import os

    from gpuledger.scrapers.http.attempt import secret_variables
    from gpuledger.scrapers.http.aws_api import signed_sources
    from gpuledger.scrapers.registry import get

    settings = context.settings()
    return {
        "settings": settings.fetch,
        "environ": os.environ,
        "urls": {get(name).name: url for name, url in settings.source_urls.items()},
        "clock": ledger.clock,
        "secrets": secret_variables(ledger.sources),
        "signed": signed_sources(os.environ, ledger.clock),
    }


def fetcher(ledger: LedgerWriter) -> Fetcher:
    """The client that this invocation's settings describe."""
    import httpx

    from gpuledger.scrapers.http.fetch import Fetcher

    return Fetcher(client=httpx.Client(), **fetch_policy(ledger))


def _chosen(ledger: LedgerWriter, names: list[str] | None) -> list[Source]:
    from gpuledger.scrapers.registry import get

    named = [get(name) for name in names or ()]
    for source in named:
        if not source.requests:
            raise UsageError(f"{source.name} is a list from disk; it is loaded by itself and never fetched")
    return named or [source for source in ledger.sources if source.requests]


REPORT_COLUMNS = (
    Column("SOURCE", "source"),
    Column("OUTCOME", "state"),
    Column("OFFERS", "offers", formats.number, is_number=True),
    Column("DISPUTED", "disputed", formats.number, is_number=True),
    Column("NEW", "new_offers", formats.number, is_number=True),
    Column("CHANGES", "changes", formats.number, is_number=True),
    Column("WITHDRAWN", "withdrawn", formats.number, is_number=True),
    Column(
        "SKIPPED", "skipped", lambda value: "; ".join(f"{count} {reason}" for reason, count in value.items())
    ),
    Column("ERROR", "error"),
)


def refresh(
    source: SourceNames = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Fetch and check, record nothing; default: no.")
    ] = False,
    due: Annotated[
        bool,
        typer.Option(
            "--due", help="Only sources whose own interval is over, for timers and cron; default: no."
        ),
    ] = False,
    format: FormatOption = None,
) -> None:
    """Fetch prices, record what is believable, publish a snapshot. Exits 4 when a source failed."""
    with context.answering():
        import os

        from gpuledger.flows import telemetry
        from gpuledger.flows.dry_run import check_only
        from gpuledger.flows.imports import load_bundled
        from gpuledger.flows.notify import UNTOLD, notify
        from gpuledger.flows.pipeline import refresh_sources as run
        from gpuledger.flows.watch import look_and_tell

        telemetry.log_as_json(os.environ)
        telemetry.start(os.environ)

        ledger = context.writer()
        chosen = _chosen(ledger, source)
        if due:
            chosen = _due(ledger, chosen, dry_run)
            if not chosen:
                return
        client = fetcher(ledger)
        if dry_run:
            cycle = check_only(ledger, chosen, client)
        else:
            load_bundled(ledger)
            cycle = _with_progress(chosen, lambda done: run(ledger, chosen, client, done=done))
        cycle = _as_asked(cycle, chosen)
        table.emit([_report_row(report) for report in cycle.runs], format, columns=REPORT_COLUMNS)
        if not dry_run:
            notify(
                context.settings().notify.webhook,
                cycle.runs,
                at=context.now(),
                untold=ledger.home.path / UNTOLD,
            )
            for crossing in look_and_tell(
                ledger.home, context.settings().notify, os.environ, at=context.now()
            ):
                context.say(crossing.to_body(context.now())["text"])
        _finish(cycle)


def _due(ledger: LedgerWriter, chosen: list[Source], dry_run: bool) -> list[Source]:
    from gpuledger.flows import timetable

    intervals = context.settings().source_intervals
    result = timetable.due(ledger, timetable.as_set(chosen, intervals))
    for lease in result.leased:
        context.say(f"{lease.source} is read by {lease.holder}")
    if not result.sources and result.next_at is not None:
        context.say(f"nothing is due; next is {result.next_source} at {result.next_at:%Y-%m-%dT%H:%M:%SZ}")
    elif not dry_run:
        timetable.begin(ledger, result.sources)
    return list(result.sources)


def _as_asked(cycle: CycleReport, chosen: list[Source]) -> CycleReport:
    """Its runs in the order of the question, whichever ended first."""
    from dataclasses import replace

    places = {source.name: place for place, source in enumerate(chosen)}
    return replace(cycle, runs=tuple(sorted(cycle.runs, key=lambda run: places.get(run.source, len(places)))))


def _with_progress(
    chosen: list[Source], work: Callable[[Callable[[str, str], None]], CycleReport]
) -> CycleReport:
    import sys

    if not sys.stderr.isatty():
        return work(lambda source, what: None)
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("fetching", total=len(chosen))

        def done(source: str, what: str) -> None:
            progress.update(task, advance=1, description=f"{source} {what}")

        return work(done)


def _report_row(report: RunReport) -> dict[str, Any]:
    return {**vars(report), "state": report.state}


def _finish(cycle: CycleReport) -> None:
    """Say what went wrong and end with 4, or say which snapshot readers see now."""
    bad = [report for report in cycle.runs if report.outcome in {"failed", "quarantined"}]
    for report in cycle.runs:
        for note in report.notes:
            context.say(f"{report.source}: {note}")
        for line in report.evidence:
            context.say(f"{report.source}: disputed: {line}")
        if report.disputed > len(report.evidence):
            context.say(
                f"{report.source}: {report.disputed} disputed; `gpuledger disputes {report.source}` lists them"
            )
    for report in bad:
        context.say(f"error: {report.source}: {report.outcome}: {report.error} ({report.url})")
    if cycle.snapshot is not None:
        context.say(f"published snapshot {cycle.snapshot}")
    if bad:
        raise typer.Exit(context.SOURCE_FAILED)


STATUS_COLUMNS = (
    Column("SOURCE", "source"),
    Column("STATE", "state"),
    Column("AGE H", "age_hours", formats.number, is_number=True),
    Column("TARGET H", "target_hours", formats.number, is_number=True),
    Column("OFFERS", "offers", formats.number, is_number=True),
    Column("LAST RUN", "last_outcome"),
    Column("DISPUTED", "disputed", formats.number, is_number=True),
    Column("LAST ERROR", "last_error"),
    Column("COVERS", "covers"),
)


def status(
    exit_code: Annotated[
        bool,
        typer.Option(
            "--exit-code", help="Exit 3 when a source is past its target or never delivered; default: no."
        ),
    ] = False,
    format: FormatOption = None,
) -> None:
    """Age of each source's prices against its target, how its last run went, and what was imported."""
    with context.answering():
        ledger = context.ledger()
        rows, lists = ledger.status(), ledger.imports()
        shown = [*rows, *(row | {"covers": _span_text(row)} for row in lists)]
        blank = dict.fromkeys(key for row in shown for key in row)
        table.emit([blank | row for row in shown], format, columns=STATUS_COLUMNS)
        for remark in rows.remarks:
            context.say(remark)
        stale = [row["source"] for row in rows if row["is_stale"]]
        if exit_code and stale:
            context.say(f"stale, or never delivered: {counted(len(stale), 'source')}: {', '.join(stale)}")
            raise typer.Exit(context.STALE)


def _span_text(row: dict[str, Any]) -> str:
    files = "file" if row["files"] == 1 else "files"
    return (
        f"{row['provider']}: {row['covers_from']:%Y-%m-%d}..{row['covers_until']:%Y-%m-%d},"
        f" {row['rows']} rows, {row['files']} {files} ({row['kind']})"
    )


def sources(format: FormatOption = None) -> None:
    """Where prices are read, how often, and which keys add to it."""
    with context.answering():
        table.emit(context.ledger().sources(), format, columns=SOURCE_COLUMNS)


def unmapped(format: FormatOption = None) -> None:
    """Labels that no alias explains, why, and their prices, which are kept."""
    with context.answering():
        rows = context.ledger().unmapped()
        table.emit(rows, format)
        if not rows:
            context.say("every label is explained")


def alias(
    label: Annotated[str, typer.Argument(help="The provider's words, as `unmapped` shows them.")],
    gpu_id: Annotated[str, typer.Argument(help="What they mean, as `gpus` shows it.")],
    provider: Annotated[
        str, typer.Option(help="Apply only to labels from this provider; default: from any.")
    ] = "",
    memory_gib: Annotated[
        str | None, typer.Option(help="Apply only to GPUs with so many GiB; default: any memory.")
    ] = None,
    format: FormatOption = None,
) -> None:
    """Say what a label means; its offers of all times are mapped at once."""
    with context.answering():
        from gpuledger.flows.aliases import add_alias

        memory = None if memory_gib is None else _gib(memory_gib)
        report = add_alias(context.begun_writer(), label, gpu_id, provider=provider, memory_gib=memory)
        table.emit(vars(report), format)


def _gib(text: str) -> Decimal:
    from gpuledger.core.money import decimal_from

    try:
        memory = decimal_from(text)
    except ValueError:
        memory = None
    if memory is None or not 0 < memory < 10_000:
        raise UsageError(f"--memory-gib: {text!r} is no size in GiB")
    return memory


def deploy(
    due: Annotated[
        bool,
        typer.Option(
            "--due", help="Start a run of each source that is due, in a work pool, and return; default: no."
        ),
    ] = False,
) -> None:
    """Register one scheduled Prefect deployment per source and serve them. Runs until stopped."""
    with context.answering():
        context.require("prefect", extra="prefect")
        from gpuledger.flows.scheduled.deployments import serve, start_due

        if not due:
            serve()
            return
        started = start_due()
        context.say(f"started: {', '.join(started)}" if started else "nothing is due")

"""Commands about the past: import, timing, export."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpuledger.cli import context, table
from gpuledger.cli.options import FormatOption, OptionalSpec, one_spec
from gpuledger.cli.table import Format
from gpuledger.core.count import counted
from gpuledger.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from gpuledger.flows.imports import ImportReport


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command(name="import")(run_import)
    app.command()(timing)
    app.command()(export)


def run_import(
    archive: Annotated[
        str,
        typer.Argument(
            help="gpuhunt, skypilot, cyclenerd, cloud-gpus, epoch, gpurentalprices, spot-prices or changes."
        ),
    ],
    path: Annotated[str, typer.Argument(help="File, folder or https address.")],
    observed_at: Annotated[
        str | None,
        typer.Option(help="Date or time of files that carry none, such as a commit's; default: none."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="NAME=VALUE that the file does not say, such as provider=aws. Repeat for several; default: none.",
        ),
    ] = None,
    covers: Annotated[
        str | None,
        typer.Option(
            help="Span FROM..UNTIL that a change list covers; default its first to its last row. Its prices hold in it."
        ),
    ] = None,
    archive_version: Annotated[
        str | None,
        typer.Option(help="Version of the archive, such as a commit, stored with every row; default: none."),
    ] = None,
    format: FormatOption = None,
) -> None:
    """Take past prices from another project's archive. Repeating it changes nothing."""
    with context.answering():
        from gpuledger.cli.sources import fetcher
        from gpuledger.flows.imports import files_of, import_address, import_files
        from gpuledger.scrapers.archives.registry import archive as find

        source = find(archive)
        sentence = _settings(settings)
        if observed_at is not None:
            at = context.instant(observed_at, "--observed-at")
            assert at is not None
            sentence["observed_at"] = at.isoformat()
        if covers is not None:
            sentence["covers"] = _span(covers)
        if archive_version is not None:
            sentence["archive_version"] = archive_version
        # who leaves the history out has a ledger of the archive alone
        ledger = context.begun_writer() if context.home().has_history else context.writer()
        with _progress() as done:
            if path.startswith("https://"):
                report = import_address(ledger, source, path, fetcher(ledger), context=sentence, done=done)
            else:
                report = import_files(ledger, source, files_of(Path(path)), context=sentence, done=done)
        _say(report, format)


def _span(text: str) -> str:
    first, dots, last = text.partition("..")
    if not (first and dots and last):
        raise UsageError(f"--covers: {text!r} is no span, as in 2022-06-23..2025-07-01")
    start, stop = context.instant(first, "--covers"), context.instant(last, "--covers")
    assert start is not None and stop is not None
    if start > stop:
        raise UsageError(f"--covers: {first} is after {last}")
    if stop > context.now():
        raise UsageError(f"--covers: {last} is in the future; a list covers what was seen, until now at most")
    return f"{start.isoformat()}..{stop.isoformat()}"


def _settings(pairs: list[str] | None) -> dict[str, str]:
    result: dict[str, str] = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not (name and equals and value):
            raise UsageError(f"--set: {pair!r} is not NAME=VALUE")
        result[name] = value
    return result


@contextmanager
def _progress() -> Generator[Callable[[int, int], None]]:
    """A bar on a terminal's standard error; nothing where nobody looks."""
    if not sys.stderr.isatty():
        yield lambda files, all_files: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda files, all_files: bar.update(task, completed=files, total=all_files)


def _say(report: ImportReport, format: Format | None) -> None:
    rows = [
        {
            "archive": run.source,
            "outcome": run.outcome,
            "rows": run.offers,
            "new_offers": run.new_offers,
            "changes": run.changes,
            "skipped": run.skipped,
            "error": run.error,
        }
        for run in report.cycle.runs
    ]
    if rows:
        table.emit(rows, format)
    refused: Counter[str] = Counter()
    for run in report.cycle.runs:
        refused.update(run.skipped)
    for reason, count in refused.most_common():
        context.say(f"refused: {counted(count, 'row')}: {reason}")
    for run in report.cycle.runs:
        for note in run.notes:
            context.say(note)
    context.say(f"{counted(report.files, 'file')}, {report.known_files} of them known before")
    if any(run.outcome != "accepted" for run in report.cycle.runs):
        raise typer.Exit(context.SOURCE_FAILED)


def timing(
    gpu_hours: Annotated[float, typer.Option(min=0.0, help="GPU-hours that the work takes; needed.")],
    spec: OptionalSpec = None,
    gpu: Annotated[
        str | None, typer.Option("--gpu", "-g", help="The same as SPEC; one of the two is needed.")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="Date by which it must be bought, ISO 8601; bounds the waiting; default: any time."
        ),
    ] = None,
    spot: Annotated[
        bool, typer.Option("--spot", help="Spot instead of on-demand prices; default: no.")
    ] = False,
    format: FormatOption = None,
) -> None:
    """Today's price among past days, its trend, and what waiting did in the past. No forecast."""
    with context.answering():
        option = "spot" if spot else "on_demand"
        last = context.instant(by, "--by")
        if last is not None and last < context.now():
            raise UsageError(f"--by: {by!r} is past")
        accelerators = one_spec(spec, gpu)
        if accelerators is None:
            raise UsageError("SPEC: name the accelerators, as in H100-SXM")
        answer = context.ledger().timing(accelerators, gpu_hours=gpu_hours, by=last, purchase_option=option)
        table.emit(answer, format)


def export(
    path: Annotated[
        Path,
        typer.Argument(help="A folder, or a file: of DuckDB where it ends in .duckdb, else as --as says."),
    ],
    form: Annotated[
        str | None,
        typer.Option(
            "--as",
            help="parquet, duckdb, skypilot, gpuhunt, dstack, opencost, focus or prometheus; default: by the path.",
        ),
    ] = None,
    format: FormatOption = None,
) -> None:
    """Write prices for other programs: the public relations as Parquet or DuckDB, or the catalogue of another tool."""
    with context.answering():
        from gpuledger.exports.export import export as write

        rows, left = write(context.ledger(), path, form)
        table.emit(rows, format)
        for reason, count in sorted(left.items()):
            context.say(f"left out: {count} x {reason}")

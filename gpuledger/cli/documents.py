"""Commands that read documents: replay, of what the archive has, and parse, of a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpuledger import formats
from gpuledger.cli import context, table
from gpuledger.cli.options import FormatOption, SourceNames
from gpuledger.cli.table import Column
from gpuledger.core.count import counted
from gpuledger.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    for command in (replay, parse):
        app.command()(command)


def replay(
    source: SourceNames = None,
    since: Annotated[
        str | None,
        typer.Option(help="Date or time from which histories are compared, ISO 8601; default: all."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Compare, and leave the ledger as it is; default: no.")
    ] = False,
    format: FormatOption = None,
) -> None:
    """Read the archive again with today's adapters, and take the history that they give."""
    with context.answering():
        from gpuledger.flows.replay import replay as run
        from gpuledger.scrapers.registry import get

        ledger = context.writer()
        names = [get(name).name for name in source or ()]
        report = run(
            ledger,
            sources=names,
            since=context.instant(since, "--since"),
            keep=not dry_run,
            progress=_say_progress(),
        )
        row = {
            "runs": report.runs,
            "accepted": report.accepted,
            "intervals": report.intervals,
            "added": report.added,
            "removed": report.removed,
            "snapshot": report.snapshot,
            "unknown_sources": list(report.unknown_sources),
            "examples": list(report.examples),
        }
        table.emit(row, format)


def _say_progress() -> Callable[[int, int], None]:
    """A line on standard error every ten seconds, for runs that take minutes."""
    import time

    said_at = time.monotonic()

    def say(done: int, total: int) -> None:
        nonlocal said_at
        if time.monotonic() - said_at >= 10:
            said_at = time.monotonic()
            context.say(f"replayed {done:,} of {counted(total, 'run')}")

    return say


PARSE_COLUMNS = (
    Column("SKU", "sku"),
    Column("GPU", "gpu_id", lambda value: value or "(unmapped)"),
    Column("QTY", "gpu_count", formats.number, is_number=True),
    Column("REGION", "region"),
    Column("TIER", "tier"),
    Column("OPTION", "purchase_option"),
    Column("TERM MO", "term_months", formats.number, is_number=True),
    Column("AMOUNT", "amount", is_number=True),
    Column("PER", "unit"),
    Column("$/GPU/H", "usd_per_gpu_hour", is_number=True),
    Column("STOCK", "availability"),
)


def parse(
    source: Annotated[str, typer.Argument(help="Source whose adapter reads the file.")],
    file: Annotated[str, typer.Argument(help="The answer as received, or - for standard input.")],
    url: Annotated[
        str | None, typer.Option(help="Address of the answer; default: the first one of the source.")
    ] = None,
    observed_at: Annotated[str | None, typer.Option(help="When it was received; now without.")] = None,
    context_: Annotated[
        list[str] | None,
        typer.Option(
            "--context",
            help="K=V that the answer does not say, such as region=us-east-1. Repeat for several; default: none.",
        ),
    ] = None,
    format: FormatOption = None,
) -> None:
    """Run one adapter on a file and print its offers; nothing is kept."""
    with context.answering():
        from gpuledger.core.alias import seed_aliases
        from gpuledger.core.document import Document, Request
        from gpuledger.core.offer import Offer
        from gpuledger.core.published import published_row
        from gpuledger.core.store.archive import Manifest, run_id
        from gpuledger.flows.validate import read_documents
        from gpuledger.scrapers.registry import get
        from gpuledger.scrapers.source import skipped_by_reason

        adapter = get(source)
        at = context.instant(observed_at, "--observed-at") or context.now()
        first = next(iter((*adapter.requests, *adapter.fallback)), None)
        request = Request(
            url=url or (first.url if first else f"file:{Path(file).name}"),
            context={**(first.context if first and not context_ else {}), **_pairs(context_)},
        )
        document = Document(source=source, request=request, body=_bytes(file), fetched_at=at)
        manifest = Manifest(
            run_id=run_id(source, at), source=source, started_at=at, observed_at=at, documents=()
        )
        parsed = read_documents(adapter, manifest, [document])
        if parsed.error is not None:
            raise parsed.error
        aliases = seed_aliases()
        offers = [entry.fact for entry in parsed.offers if isinstance(entry.fact, Offer)]
        rows = [
            published_row(
                source,
                offer,
                gpu_id=aliases.resolve(offer.provider, offer.gpu_label, offer.gpu_memory_gib),
                observed_at=at,
                usd_per_unit={},
            )
            for offer in offers
        ]
        table.emit(rows, format, columns=PARSE_COLUMNS)
        skips = "; ".join(f"{count} {reason}" for reason, count in skipped_by_reason(parsed.skipped).items())
        others = f"; {counted(len(parsed.side_facts), 'other fact')}" if parsed.side_facts else ""
        context.say(
            f"{counted(len(rows), 'offer')}{others};"
            f" {counted(len(parsed.skipped), 'row')} skipped{': ' if skips else ''}{skips}"
        )
        if not rows and not parsed.side_facts:
            raise typer.Exit(context.NOTHING)


def _pairs(texts: list[str] | None) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--context: {text!r} is not K=V")
        pairs[name] = value
    return pairs


def _bytes(file: str) -> bytes:
    import sys

    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from None

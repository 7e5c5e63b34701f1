"""Commands that keep a ledger well: audit, compact, publish and migrate-store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpuledger.cli import context, table
from gpuledger.cli.options import FormatOption
from gpuledger.cli.table import Column
from gpuledger.core.count import counted

if TYPE_CHECKING:
    from gpuledger.flows.ledger import LedgerWriter

AUDIT_COLUMNS = (
    Column("KIND", "kind"),
    Column("NAME", "name"),
    Column("STATE", "state"),
    Column("DETAIL", "detail"),
)

MOVE_COLUMNS = (
    Column("TABLE", "table"),
    Column("ROWS FROM", "rows_from"),
    Column("ROWS TO", "rows_to"),
    Column("CONTENT FROM", "digest_from"),
    Column("CONTENT TO", "digest_to"),
)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(audit)
    app.command()(compact)
    app.command()(publish)
    app.command()(migrate_store)
    app.command()(backup)
    app.command()(restore)
    app.command()(repair)


def audit(
    archive: Annotated[
        bool,
        typer.Option("--archive", help="Read every archived byte and compare it with its hash; default: no."),
    ] = False,
    format: FormatOption = None,
) -> None:
    """Look at ages, checks and archive. Exits 3 when a source is stale, 2 when something is broken."""
    with context.answering():
        from gpuledger.flows.audit import audit_ledger as look

        result = look(context.writer(), whole_archive=archive)
        table.emit([vars(finding) for finding in result.findings], format, columns=AUDIT_COLUMNS)
        broken, stale = result.of_state("broken"), result.of_state("stale")
        for finding in (*broken, *stale):
            context.say(f"error: {finding.kind} {finding.name}: {finding.state}: {finding.detail}")
        if broken:
            raise typer.Exit(context.USAGE)
        if stale:
            raise typer.Exit(context.STALE)


def compact(
    keep_documents_days: Annotated[
        int | None,
        typer.Option(help="Days after which archived documents are deleted; default: never.", min=60),
    ] = None,
    keep_snapshots: Annotated[
        int | None, typer.Option(help="Published snapshots that stay; default: 5.", min=1, max=1000)
    ] = None,
    keep_quotes_days: Annotated[
        int, typer.Option(help="Days after which saved quotes are deleted; default: 400.", min=1)
    ] = 400,
    format: FormatOption = None,
) -> None:
    """Delete old snapshots, old quotes and temporary files; old documents only with --keep-documents-days. Prices
    are never deleted."""
    with context.answering():
        from datetime import timedelta

        from gpuledger.flows.compact import compact_ledger as let_go

        keep = None if keep_documents_days is None else timedelta(days=keep_documents_days)
        done = let_go(
            context.writer(),
            keep_documents=keep,
            keep_snapshots=keep_snapshots,
            keep_quotes=timedelta(days=keep_quotes_days),
        )
        table.emit(vars(done), format)


def publish(format: FormatOption = None) -> None:
    """Publish what the store holds, without fetching: in a shared store, what other machines recorded."""
    with context.answering():
        from gpuledger.core.store.publish import number_in_use
        from gpuledger.flows.publish import publish_news

        ledger = context.begun_writer()
        number = publish_news(ledger)
        if number is None:
            number = number_in_use(ledger.home)
            context.say(f"nothing new: readers have all of it in snapshot {number}")
        table.emit({"snapshot": number}, format)


def migrate_store(
    from_store: Annotated[str, typer.Argument(metavar="FROM", help="duckdb (this home) or ducklake:...")],
    to_store: Annotated[str, typer.Argument(metavar="TO", help="The other kind; it has to be empty.")],
    format: FormatOption = None,
) -> None:
    """Copy a ledger into or out of a shared store, and prove that both hold the same."""
    with context.answering():
        from dataclasses import replace

        from gpuledger.core.config import lake_address
        from gpuledger.core.errors import UsageError
        from gpuledger.flows.move_store import move_store

        def at(store: str, argument: str) -> LedgerWriter:
            lake = lake_address(store, name=argument)
            if lake is None and store != "duckdb":
                raise UsageError(f"{argument}: {store!r} is no store; duckdb or ducklake:postgres://...")
            return replace(ledger, home=replace(ledger.home, lake=lake))

        ledger = context.writer()
        moved = move_store(at(from_store, "FROM"), at(to_store, "TO"))
        table.emit([vars(row) for row in moved.compared], format, columns=MOVE_COLUMNS)
        context.say(
            f"equal: {counted(sum(row.rows_to for row in moved.compared), 'row')},"
            f" {counted(moved.documents, 'document')} copied;"
            f" the old store is as it was"
        )


def backup(
    folder: Annotated[Path, typer.Argument(help="Empty, or an earlier backup, which is brought up to date.")],
    format: FormatOption = None,
) -> None:
    """Write everything that answers depend on into a folder, while anything runs."""
    with context.answering():
        from gpuledger.flows.backup import back_up

        table.emit(vars(back_up(context.writer(), folder)), format)


def restore(
    folder: Annotated[Path, typer.Argument(help="A backup.")],
    format: FormatOption = None,
) -> None:
    """Bring a backup into an empty home, and prove that the ledger is the one that was backed up."""
    with context.answering():
        from gpuledger.flows.backup import restore as bring_back

        table.emit(vars(bring_back(folder, context.writer())), format)


def repair(format: FormatOption = None) -> None:
    """After a clock was ahead: set the runs of that time aside, and rebuild the ledger from the others."""
    with context.answering():
        from gpuledger.flows.replay import repair as mend

        done = mend(context.writer())
        snapshot = done.replayed.snapshot if done.replayed else None
        table.emit({"set_aside": list(done.set_aside), "snapshot": snapshot}, format)

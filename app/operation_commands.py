"""Commands that keep a ledger well: audit and compact."""

from __future__ import annotations

from typing import Annotated

import typer

from app import context, render
from app.render import Column, Format

FormatOption = Annotated[Format | None, typer.Option("--format", "-f", help="Output format.")]

AUDIT_COLUMNS = (
    Column("KIND", "kind"),
    Column("NAME", "name"),
    Column("STATE", "state"),
    Column("DETAIL", "detail"),
)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(audit)
    app.command()(compact)


def audit(
    archive: Annotated[
        bool, typer.Option("--archive", help="Read every archived byte and compare it with its hash.")
    ] = False,
    format: FormatOption = None,
) -> None:
    """Look at ages, checks and archive. Exits 3 when a source is stale, 2 when something is broken."""
    with context.answering():
        from flows.audit import audit as look

        found = look(context.ledger(), whole_archive=archive)
        render.emit([vars(finding) for finding in found.findings], format, columns=AUDIT_COLUMNS)
        broken, stale = found.of_state("broken"), found.of_state("stale")
        for finding in (*broken, *stale):
            context.say(f"error: {finding.kind} {finding.name}: {finding.state}: {finding.detail}")
        if broken:
            raise typer.Exit(context.USAGE)
        if stale:
            raise typer.Exit(context.STALE)


def compact(
    keep_documents_days: Annotated[
        int | None, typer.Option(help="Age from which archived bytes may go; all stay without.", min=60)
    ] = None,
    keep_snapshots: Annotated[
        int | None, typer.Option(help="Published snapshots that stay.", min=1, max=1000)
    ] = None,
    format: FormatOption = None,
) -> None:
    """Let go of old snapshots, of left-overs, and of old documents where told to. No price goes."""
    with context.answering():
        from datetime import timedelta

        from flows.compact import compact as let_go

        keep = None if keep_documents_days is None else timedelta(days=keep_documents_days)
        done = let_go(context.ledger(), keep_documents=keep, keep_snapshots=keep_snapshots)
        render.emit(vars(done), format)

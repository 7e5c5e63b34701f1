"""Commands about disputed prices: disputes, accept and reject."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from gpuledger.cli import context, table
from gpuledger.cli.options import FormatOption
from gpuledger.cli.table import Column, Format

Target = Annotated[
    str, typer.Argument(metavar="OFFER_OR_SOURCE", help="An offer's id, six digits of it, or a source.")
]
ReasonOption = Annotated[
    str, typer.Option("--reason", help="Why, for whoever reads the ledger later; needed.")
]

COLUMNS = (
    Column("SOURCE", "source"),
    Column("OFFER", "offer_id"),
    Column("STATE", "state"),
    Column("SINCE", "since_at"),
    Column("EVIDENCE", "evidence"),
)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    for command in (disputes, accept, reject):
        app.command()(command)


def disputes(
    target: Annotated[
        str | None, typer.Argument(metavar="OFFER_OR_SOURCE", help="An offer's id or a source; default: all.")
    ] = None,
    format: FormatOption = None,
) -> None:
    """List prices that the ledger contradicts: what is claimed, since when, and the evidence. Exits 1 when none is."""
    with context.answering():
        from gpuledger.core.store.decision import disputes as find

        with context.ledger().connect() as connection:
            disputed = find(connection, target)
        table.emit([vars(dispute) for dispute in disputed], format, columns=COLUMNS)
        if not disputed:
            raise typer.Exit(context.NOTHING)


def accept(target: Target, reason: ReasonOption, format: FormatOption = None) -> None:
    """Believe a disputed price, from when it was first seen; lapses with the next other claim."""
    _decide("accept", target, reason, format)


def reject(target: Target, reason: ReasonOption, format: FormatOption = None) -> None:
    """Never believe a disputed price, however long it is claimed; lapses with the next other claim."""
    _decide("reject", target, reason, format)


def _decide(verdict: Literal["accept", "reject"], target: str, reason: str, format: Format | None) -> None:
    with context.answering():
        import getpass

        from gpuledger.flows.decide import decide

        report = decide(context.writer(), verdict, target, reason=reason, decided_by=getpass.getuser())
        table.emit([vars(dispute) for dispute in report.disputes], format, columns=COLUMNS)
        changes = sum(run.changes for run in report.cycle.runs)
        context.say(f"{verdict}ed {len(report.disputes)}: {changes} price changes recorded")

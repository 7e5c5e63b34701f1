"""Commands about what was paid: actual import, list and compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gpuledger.cli import context, table
from gpuledger.cli.options import AllowStale, AsOf, FormatOption, PlanArgument
from gpuledger.cli.table import Column
from gpuledger.core.count import counted

LINE_COLUMNS = (
    Column("LINE", "name"),
    Column("PLANNED", "planned_quantity", is_number=True, shed=2),
    Column("PAID FOR", "actual_quantity", is_number=True, shed=2),
    Column("PLANNED USD", "planned_usd", is_number=True),
    Column("PAID USD", "actual_usd", is_number=True),
    Column("OVER USD", "over_usd", is_number=True),
    Column("BY PRICE", "price_variance_usd", is_number=True),
    Column("BY QUANTITY", "quantity_variance_usd", is_number=True),
    Column("STATE", "state"),
)
BILL_COLUMNS = (
    Column("BILL", "bill"),
    Column("FORM", "form"),
    Column("PROVIDER", "provider"),
    Column("CHARGES", "charges", is_number=True),
    Column("FROM", "since"),
    Column("TO", "until"),
    Column("USD", "usd", is_number=True),
)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    actual = typer.Typer(help="What was paid: bills, and how far they are from a plan.", no_args_is_help=True)
    actual.command(name="import")(import_bill)
    actual.command(name="list")(list_bills)
    actual.command(name="compare")(compare)
    actual.command(name="export")(export)
    app.add_typer(actual, name="actual")


def import_bill(
    file: Annotated[Path, typer.Argument(help="CSV, Parquet or JSON, or a folder of one of them.")],
    provider: Annotated[
        str | None,
        typer.Option("--provider", "-p", help="Whose bill it is; default: as the bill says."),
    ] = None,
    format: FormatOption = None,
) -> None:
    """Take a bill into the home: FOCUS, an AWS cost and usage report, RunPod, Vast, or a table with the usual columns.
    Nothing of it leaves the home; ids of accounts and resources are kept as hashes."""
    with context.answering():
        answer = context.ledger().import_actuals(file, provider=provider)
        table.emit(answer, format)
        if not answer["rows"]:
            context.say("nothing taken: the bill names its columns and has no rows")
        for reason, count in answer["refused"].items():
            context.say(f"not taken: {counted(count, 'row')}: each {reason}")
        if answer["assumed"]:
            context.say(f"assumed: {answer['assumed']}")
        if answer["unpriced"]:
            context.say(
                f"without dollars: {answer['unpriced']} charges, for which the ledger has no price either"
            )
        if answer["without_hours"]:
            context.say(
                f"without hours: {answer['without_hours']} charges for GPUs, whose unit is of no time that is known"
            )
        if answer["replaced_charges"]:
            context.say(
                f"replaced: {answer['replaced_charges']} charges of bills imported before, of the same provider,"
                " account and days"
            )
        if not answer["charges"]:
            raise typer.Exit(context.NOTHING)


def list_bills(format: FormatOption = None) -> None:
    """The bills that were imported."""
    with context.answering():
        rows = context.ledger().actual_bills()
        table.emit(rows, format, columns=BILL_COLUMNS)
        if not rows:
            raise typer.Exit(context.NOTHING)


def export(
    path: Annotated[Path, typer.Argument(help="A new .csv or .parquet file.")],
    format: FormatOption = None,
) -> None:
    """Write what was paid in the columns of FOCUS 1.2, with hashes for ids."""
    with context.answering():
        count = context.ledger().export_actuals(path)
        table.emit({"path": str(path), "charges": count}, format)


def compare(
    plan: PlanArgument,
    quote: Annotated[
        str | None,
        typer.Option(
            help="Id of the quote that was planned with; default: the last that was made before the charges."
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="First date or time of charges; default: the time of the quote.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Date or time before which charges began; default: now.")
    ] = None,
    as_of: AsOf = None,
    allow_stale: AllowStale = False,
    format: FormatOption = None,
) -> None:
    """Planned against paid, line by line: what prices and what quantities did, what ran idle, what was not planned."""
    with context.answering():
        answer = context.ledger().compare_actuals(
            context.one_plan(plan),
            quote_id=quote,
            since=since,
            until=until,
            as_of=context.as_of(as_of),
            allow_stale=allow_stale,
        )
        if not context.is_for_people(format):
            table.emit(answer, format)
            return
        table.emit(answer["lines"], format, columns=LINE_COLUMNS)
        context.say(f"planned with quote {answer['quote_id']}: {answer['quote_basis']}")
        idle = answer["idle"]
        if idle["gpu_hours_outside_runs"] is not None:
            context.say(f"idle: {idle['gpu_hours_outside_runs']:g} GPU-hours outside of metered runs")
        if idle["unused_commitment_usd"] != "0.00":
            context.say(f"idle: {idle['unused_commitment_usd']} USD of commitments stood unused")
        for remark in answer["remarks"]:
            context.say(remark)

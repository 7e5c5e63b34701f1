"""Commands about runs of one's own: watch-run, accuracy and availability."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gpuledger.cli import context, table
from gpuledger.cli.options import FormatOption, OnDemand, Providers, Region, SpecArgument, SpotFlag
from gpuledger.cli.table import Column
from gpuledger.core.errors import UsageError

ACCURACY_COLUMNS = (
    Column("QUANTITY", "quantity"),
    Column("RUNS", "runs", is_number=True),
    Column("MEDIAN ERROR %", "median_error_percent", is_number=True),
    Column("MEAN ERROR %", "mean_error_percent", is_number=True),
    Column("BIAS %", "bias_percent", is_number=True),
)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command(name="watch-run")(watch_run)
    app.command()(accuracy)
    app.command()(availability)


def watch_run(
    log: Annotated[
        Path, typer.Argument(help="trainer_state.json, a log, an event file of TensorBoard, or W&B's.")
    ],
    quote: Annotated[
        str | None, typer.Option(help="Id of the run's quote: price, accelerators, plan; default: none.")
    ] = None,
    usd_per_hour: Annotated[
        str | None, typer.Option(help="US dollars an hour of all machines together; default: the quote's.")
    ] = None,
    gpus: Annotated[
        int | None, typer.Option(help="GPUs of the run; default: the quote's, else 1.", min=1)
    ] = None,
    tokens_per_step: Annotated[
        float | None, typer.Option(help="Tokens of one step; default: as the log says.", min=1)
    ] = None,
    sequence_length: Annotated[
        int | None, typer.Option(help="Tokens of a sample, where a log counts samples; default: none.", min=1)
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(help="Times that the weights are updated in all; default: as the log says.", min=1),
    ] = None,
    budget: Annotated[str | None, typer.Option(help="US dollars that may be spent; default: none.")] = None,
    format: FormatOption = None,
) -> None:
    """Where a run is, what it spent and what is to come, from its log. Exits 1 when it will go over its budget."""
    with context.answering():
        try:
            document = log.read_bytes()
        except OSError as error:
            raise UsageError(f"LOG: cannot read {log}: {error.strerror}") from error
        answer = context.ledger().watch_run(
            document,
            origin=str(log),
            quote_id=quote,
            usd_per_hour=usd_per_hour,
            gpus=gpus,
            tokens_per_step=tokens_per_step,
            sequence_length=sequence_length,
            steps=steps,
            budget_usd=budget,
        )
        table.emit(answer, format)
        if (answer["usd_over_budget"] or 0) > 0:
            context.say(f"over the budget by {answer['usd_over_budget']:.2f} USD")
            raise typer.Exit(context.NOTHING)


def accuracy(format: FormatOption = None) -> None:
    """How far one's own estimates were from what happened."""
    with context.answering():
        answer = context.ledger().accuracy()
        if not context.is_for_people(format):
            table.emit(answer, format)
        else:
            table.emit(answer["summary"], format, columns=ACCURACY_COLUMNS)
        if not answer["runs"]:
            context.say("no run was measured yet; see docs/actuals.md")
            raise typer.Exit(context.NOTHING)


def availability(
    spec: SpecArgument,
    gpus: Annotated[int, typer.Option(help="GPUs in one machine; default: 1.", min=1)] = 1,
    within: Annotated[
        float, typer.Option("--within-hours", help="Hours to wait at most; default: 24.")
    ] = 24.0,
    stays: Annotated[
        float, typer.Option("--stays-hours", help="Hours that a machine should stay; default: 6.")
    ] = 6.0,
    provider: Providers = None,
    region: Region = None,
    spot: SpotFlag = False,
    on_demand: OnDemand = False,
    format: FormatOption = None,
) -> None:
    """The chance that accelerators are there within a time, and that a spot machine stays."""
    with context.answering():
        options = [name for name, is_given in (("spot", spot), ("on_demand", on_demand)) if is_given]
        answer = context.ledger().availability(
            spec,
            gpus=gpus,
            within_hours=within,
            stays_hours=stays,
            providers=provider,
            regions=region,
            purchase_options=options or ["on_demand"],
        )
        table.emit(answer, format)
        if answer["there_within"] is None:
            for remark in answer["remarks"]:
                context.say(remark)
            raise typer.Exit(context.NOTHING)

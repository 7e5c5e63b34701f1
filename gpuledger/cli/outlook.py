"""Commands about what may come of a plan: drivers, check, watch, and plan, which writes one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from gpuledger import formats
from gpuledger.cli import context, table
from gpuledger.cli.options import AsOf, FormatOption, OptionalPlan, Providers, one_of, with_quote_options
from gpuledger.cli.table import Column, Format

INPUT_COLUMNS = (
    Column("INPUT", "input"),
    Column("SHARE", "share", is_number=True),
    Column("USD FROM", "usd_low", is_number=True),
    Column("USD TO", "usd_high", is_number=True),
    Column("WHAT", "meaning", shed=1),
)
LEVER_COLUMNS = (
    Column("LEVER", "lever"),
    Column("SAVES USD", "usd_saved", is_number=True),
    Column("LONGER", "longer", is_number=True),
    Column("DOES", "does"),
    Column("COSTS, OR WHY NOT", "price"),
)
CHANGE_COLUMNS = (
    Column("LINE", "name"),
    Column("THEN, USD", "usd_then", is_number=True),
    Column("NOW, USD", "usd_now", is_number=True),
)
FINDING_COLUMNS = (Column("LEVEL", "level"), Column("RULE", "rule"), Column("WHAT", "message"))
WATCH_COLUMNS = (
    Column("WATCH", "watch_id"),
    Column("SPEC", "gpu"),
    Column("OPTION", "purchase_option"),
    Column("BELOW $/GPU/H", "below", is_number=True),
    Column("LAST $/GPU/H", "usd_per_gpu_hour", is_number=True),
    Column("IS BELOW", "is_below"),
)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    for command in (drivers, check, watch, plan):
        app.command()(command)


@with_quote_options
def drivers(
    options: dict[str, Any],
    plan: OptionalPlan = None,
    draws: Annotated[
        int, typer.Option(help="Times that the run is drawn at random; default: 10000.")
    ] = 10_000,
    seed: Annotated[
        int,
        typer.Option(
            help="Number that the random plan runs start from; the same gives the same answer; default: 0."
        ),
    ] = 0,
    as_of: AsOf = None,
    format: FormatOption = None,
) -> None:
    """What drives the cost: shares of variance, ten ways to spend less, and the chances to keep budget and deadline."""
    with context.answering():
        one, rest = one_of(plan, options)
        answer = context.ledger().drivers(one, as_of=context.as_of(as_of), draws=draws, seed=seed, **rest)
        if not context.is_for_people(format):
            table.emit(answer, format)
            return
        inputs = [
            row
            | {"share": f"{100 * row['share_of_variance']:.0f} %"}
            | {key: f"{float(row[key]):,.2f}" for key in ("usd_low", "usd_high")}
            for row in answer["inputs"]
        ]
        table.emit(inputs, format, columns=INPUT_COLUMNS)
        rows = [
            row
            | {
                "price": row["reason"] or row["price"],
                "longer": None if row["wall_hours_more"] is None else _signed(row["wall_hours_more"]),
                "usd_saved": None if row["usd_saved"] is None else f"{float(row['usd_saved']):,.2f}",
            }
            for row in answer["levers"]
        ]
        table.emit(rows, format, columns=LEVER_COLUMNS)
        for text in outcome_texts(answer["outcomes"]):
            typer.echo(table.wrapped(text))


def _signed(hours: float) -> str:
    return f"{'-' if hours < 0 else '+'}{formats.hours(abs(hours))}"


def outcome_texts(outcomes: dict[str, Any]) -> list[str]:
    """What may come of the project, in sentences."""
    usd, hours = outcomes["usd"], outcomes["wall_hours"]
    texts = [
        f"Of {outcomes['draws']:,} draws eight in ten cost {usd['p10']:,.2f} to {usd['p90']:,.2f} USD, half less than"
        f" {usd['p50']:,.2f}; the run takes {formats.hours(hours['p10'])} to {formats.hours(hours['p90'])}."
    ]
    for name in ("budget", "deadline"):
        chance = outcomes[f"chance_within_{name}"]
        if chance is not None:
            texts.append(f"The {name} is kept in {100 * chance:.0f} % of them.")
    return texts


@with_quote_options
def check(
    options: dict[str, Any],
    plan: OptionalPlan = None,
    lock: Annotated[
        Path | None,
        typer.Option(help="Lock file of what was agreed, as quote --lock wrote it; default: none."),
    ] = None,
    sarif: Annotated[Path | None, typer.Option(help="File for the findings as SARIF; default: none.")] = None,
    annotations: Annotated[
        bool,
        typer.Option("--annotations", help="Print findings as workflow commands of a forge; default: no."),
    ] = False,
    as_of: AsOf = None,
    format: FormatOption = None,
) -> None:
    """A gate for CI: exit code 1 when the plan misses budget or deadline or cannot be true; -f md is a comment."""
    with context.answering():
        from importlib.metadata import version

        from gpuledger.core.cost import plan_check
        from gpuledger.core.files import write_whole

        one, rest = one_of(plan, options)
        text = None if lock is None else context.text_of(lock, "--lock")
        answer = context.ledger().check(one, lock=text, as_of=context.as_of(as_of), **rest)
        path = plan or one.name
        if sarif is not None:
            write_whole(sarif, plan_check.sarif([(answer, path)], version("gpuledger")).encode())
        if annotations:
            typer.echo(plan_check.workflow_commands(answer, path), nl=False)
        elif format is Format.MD:
            typer.echo(plan_check.markdown(answer), nl=False)
        elif context.is_for_people(format):
            _show_verdict(answer)
        else:
            table.emit(answer, format)
        if not answer["passes"]:
            raise typer.Exit(context.NOTHING)


def _show_verdict(answer: dict[str, Any]) -> None:
    """The verdict, what changed since the lock, and what was found, as a person reads them."""
    from gpuledger.core.cost import plan_check

    verdict = f"{answer['plan']}: {'passes' if answer['passes'] else 'FAILS'}"
    cost = (
        ""
        if answer["usd_total"] is None
        else f"; {plan_check.in_dollars(answer)}; quote {answer['quote_id']}"
    )
    typer.echo(table.wrapped(verdict + cost))
    change = answer["change"]
    if change is not None:
        typer.echo(f"{plan_check.sentence(change)}.")
        total = {"name": "total", "usd_then": change["usd_then"], "usd_now": change["usd_now"]}
        table.emit([*change["lines"], total], Format.TABLE, columns=CHANGE_COLUMNS)
    if answer["findings"]:
        table.emit(answer["findings"], Format.TABLE, columns=FINDING_COLUMNS)


def watch(
    spec: Annotated[
        str | None, typer.Argument(metavar="[SPEC]", help="Accelerators to watch; default: list the watches.")
    ] = None,
    below: Annotated[
        str | None,
        typer.Option(
            help="US dollars per GPU-hour; tell when it costs less. Needed for a new watch; lists the watches without."
        ),
    ] = None,
    option: Annotated[
        str, typer.Option("--option", help="on_demand, spot, reserved or capacity_block; default: on_demand.")
    ] = "on_demand",
    provider: Providers = None,
    remove: Annotated[str | None, typer.Option(help="Id of a watch to end; default: none.")] = None,
    look: Annotated[
        bool, typer.Option("--look", help="Look now, as every refresh does, and tell; default: no.")
    ] = False,
    format: FormatOption = None,
) -> None:
    """Tell by webhook or mail when a price falls below a limit: looked at after each refresh, once per crossing."""
    with context.answering():
        ledger = context.ledger()
        if remove is not None:
            ledger.end_watch(remove)
        elif spec is not None:
            ledger.watch(spec, below=below, purchase_option=option, providers=provider)
        if look:
            from gpuledger.flows.watch import look_and_tell

            settings = context.settings().notify
            for crossing in look_and_tell(context.home(), settings, os.environ, at=context.now()):
                context.say(crossing.to_body(context.now())["text"])
        table.emit(ledger.watches(), format, columns=WATCH_COLUMNS)


def plan(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Where the plan is written.")] = Path(
        "plan.toml"
    ),
    force: Annotated[bool, typer.Option("--force", help="Write over an existing file; default: no.")] = False,
) -> None:
    """Ask six questions and write a plan as TOML."""
    with context.answering():
        from gpuledger.cli.interview import asked_plan
        from gpuledger.core.errors import UsageError
        from gpuledger.core.files import write_whole

        if path.exists() and not force:
            raise UsageError(f"FILE: {path} exists; --force writes over it")
        text = asked_plan(lambda question, default: typer.prompt(question, default=default), typer.echo)
        write_whole(path, text.encode())
        typer.echo(f"wrote {path}; now: gpuledger quote {path}")

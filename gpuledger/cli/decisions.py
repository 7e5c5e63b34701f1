"""Commands for decisions around a training plan: size, own or rent, build or buy, reserve, budget, claims."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gpuledger.cli import context, table
from gpuledger.cli.columns import CLAIM_COLUMNS, RESERVE_COLUMNS
from gpuledger.cli.options import (
    AllowStale,
    AsOf,
    FormatOption,
    Gpu,
    PlanArgument,
    Providers,
    Region,
    SpecArgument,
)
from gpuledger.core.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add this group's commands to the program."""
    app.command()(claims)
    app.command(name="build-or-buy")(build_or_buy)
    app.command(name="own-or-rent")(own_or_rent)
    app.command()(reserve)
    app.command()(size)
    app.command()(calibrate)
    budget = typer.Typer(help="Planned against paid.", no_args_is_help=True)
    budget.command(name="diff")(budget_diff)
    app.add_typer(budget, name="budget")


def claims(
    action: Annotated[str, typer.Argument(help="check")] = "check",
    file: Annotated[
        Path | None, typer.Option(help="Claims of another article, TOML; default: the shipped ones.")
    ] = None,
    format: FormatOption = None,
) -> None:
    """Check the numbers of articles: what was stated against what it implies."""
    with context.answering():
        if action != "check":
            raise UsageError(f"claims: {action!r} is not an action; there is check")
        text = None if file is None else context.text_of(file, "--file")
        rows = context.ledger().claims(text, origin=str(file))
        table.emit(rows, format, columns=CLAIM_COLUMNS)


def build_or_buy(
    plan: PlanArgument,
    calls: Annotated[str, typer.Option("--calls-per-month", help="Calls a month; needed.")],
    api: Annotated[
        str | None,
        typer.Option(help="API whose price is taken, as openai/gpt-4o-mini; default: --api-usd-per-1k."),
    ] = None,
    api_price: Annotated[
        str | None,
        typer.Option(
            "--api-usd-per-1k", help="US dollars that the API takes per 1,000 tokens; default: --api's."
        ),
    ] = None,
    output_share: Annotated[
        str, typer.Option(help="Share of a call's tokens that are output, 0 to 1, with --api; default: 0.25.")
    ] = "0.25",
    tokens: Annotated[
        str, typer.Option("--tokens-per-call", help="Tokens of one call; default: 1000.")
    ] = "1000",
    months: Annotated[str, typer.Option(help="Months that are looked at; default: 12.")] = "12",
    own_price: Annotated[
        str,
        typer.Option(
            "--own-usd-per-1k",
            help="US dollars of own inference per 1,000 tokens, beside hosting; default: 0.",
        ),
    ] = "0",
    tuning_price: Annotated[
        str | None,
        typer.Option(
            "--api-training-usd-per-1k",
            help="US dollars of fine-tuning at the API per 1,000 tokens; default: none.",
        ),
    ] = None,
    hosting: Annotated[
        str | None,
        typer.Option(
            "--hosting-usd-per-month",
            help="US dollars a month for hosting the own model; default: the plan's, else 50,000 a year.",
        ),
    ] = None,
    as_of: AsOf = None,
    allow_stale: AllowStale = False,
    format: FormatOption = None,
) -> None:
    """Train and host, or buy from an API: totals, and the calls a month at which they meet."""
    with context.answering():
        numbers = _decimals(
            ("api_usd_per_1k", api_price, "--api-usd-per-1k"),
            ("calls_per_month", calls, "--calls-per-month"),
            ("output_share", output_share, "--output-share"),
            ("tokens_per_call", tokens, "--tokens-per-call"),
            ("months", months, "--months"),
            ("own_usd_per_1k", own_price, "--own-usd-per-1k"),
            ("api_training_usd_per_1k", tuning_price, "--api-training-usd-per-1k"),
            ("hosting_usd_per_month", hosting, "--hosting-usd-per-month"),
        )
        answer = context.ledger().build_or_buy(
            context.one_plan(plan), **numbers, api=api, as_of=context.as_of(as_of), allow_stale=allow_stale
        )
        table.emit(answer, format)


def _decimals(*texts: tuple[str, str | None, str]) -> dict[str, Any]:
    """Numbers by the ledger's names, so that an error names the flag."""
    from gpuledger import parse

    return {name: parse.decimal(text, flag) for name, text, flag in texts}


def own_or_rent(
    gpus: Annotated[int, typer.Option(help="GPUs bought; needed.", min=1)],
    capex: Annotated[str, typer.Option("--capex-usd", help="US dollars for the machines; needed.")],
    gpu: Gpu = None,
    rent: Annotated[
        str | None,
        typer.Option(
            "--rent-usd-per-gpu-hour",
            help="US dollars of rent per GPU-hour; default: the cheapest of --gpu in the ledger.",
        ),
    ] = None,
    utilisation: Annotated[
        float,
        typer.Option(help="Share of the hours in which they work, 0 to 1; default: 1.", min=0.001, max=1),
    ] = 1.0,
    running: Annotated[
        str,
        typer.Option(
            "--running-usd-per-month", help="US dollars a month for space, repair and people; default: 0."
        ),
    ] = "0",
    watts: Annotated[
        str | None,
        typer.Option(
            "--watts-per-gpu",
            help="Watts of one GPU with its share of the host; default: 1.5 times what the GPU takes.",
        ),
    ] = None,
    power_price: Annotated[
        str | None,
        typer.Option("--usd-per-kwh", help="US dollars per kWh; default: the assumed price of electricity."),
    ] = None,
    as_of: AsOf = None,
    format: FormatOption = None,
) -> None:
    """Buy machines or rent them: the month from which owning has cost less."""
    with context.answering():
        if rent is None and gpu is None:
            raise UsageError(
                "own-or-rent: give --rent-usd-per-gpu-hour, or --gpu for a price from the ledger"
            )
        numbers = _decimals(
            ("capex_usd", capex, "--capex-usd"),
            ("rent_usd_per_gpu_hour", rent, "--rent-usd-per-gpu-hour"),
            ("running_usd_per_month", running, "--running-usd-per-month"),
            ("watts_per_gpu", watts, "--watts-per-gpu"),
            ("usd_per_kwh", power_price, "--usd-per-kwh"),
        )
        answer = context.ledger().own_or_rent(
            gpus=gpus, gpu=gpu, utilisation=utilisation, as_of=context.as_of(as_of), **numbers
        )
        table.emit(answer, format)


def reserve(
    spec: SpecArgument,
    provider: Providers = None,
    region: Region = None,
    as_of: AsOf = None,
    format: FormatOption = None,
) -> None:
    """Reserve or pay by the hour: the share of hours that must be used before a reservation costs less."""
    with context.answering():
        rows = context.ledger().reserve(spec, providers=provider, regions=region, as_of=context.as_of(as_of))
        table.emit(rows, format, columns=RESERVE_COLUMNS)
        for remark in rows.remarks:
            context.say(remark)
        if not rows:
            raise typer.Exit(context.NOTHING)


def budget_diff(
    plan: PlanArgument,
    actual: Annotated[
        Path | None,
        typer.Argument(help="CSV with the columns name and usd (US dollars); default: the imported bills."),
    ] = None,
    as_of: AsOf = None,
    allow_stale: AllowStale = False,
    lock: Annotated[
        Path | None, typer.Option(help="Lock file whose prices the plan is taken at; default: the ledger's.")
    ] = None,
    format: FormatOption = None,
) -> None:
    """Lines of the plan's cheapest quote against what was paid; exit code 1 if one is over by more than
    10 %."""
    with context.answering():
        from gpuledger.core.cost.decisions.budget import FLAGGED, read_actual
        from gpuledger.core.files import write_whole

        ledger, one = context.ledger(), context.one_plan(plan)
        parameters: dict[str, Any] = {"limit": 1, "allow_stale": allow_stale}
        text, past = None, context.as_of(as_of)
        if actual is None:
            if lock is not None:
                raise UsageError(
                    "--lock: imported bills are compared with a saved quote; see `actual compare`"
                )
            rows = ledger.budget_of_actuals(one, as_of=past, **parameters)
        else:
            paid = read_actual(context.text_of(actual, "ACTUAL"), str(actual))
            if lock is not None:
                if not lock.exists():
                    write_whole(lock, ledger.lock(one, as_of=past, **parameters).encode())
                text, past = context.text_of(lock, "--lock"), None
            rows = ledger.budget_difference(one, paid, lock=text, as_of=past, **parameters)
        table.emit(rows, format)
        if any(row["state"] in FLAGGED for row in rows):
            raise typer.Exit(context.NOTHING)


def size(
    budget: Annotated[str, typer.Option(help="US dollars for training, and for serving if asked; needed.")],
    inference_tokens: Annotated[
        str, typer.Option(help="Tokens to be served over the model's life, as in 2e12 or 2T; default: 0.")
    ] = "0",
    deadline: Annotated[
        str | None,
        typer.Option(help="Longest run, in hours or with a unit, as in 720 or 30d; default: 90 days."),
    ] = None,
    as_of: AsOf = None,
    allow_stale: AllowStale = False,
    format: FormatOption = None,
) -> None:
    """The model and token count that a budget trains best at today's cheapest offers."""
    with context.answering():
        from decimal import Decimal

        from gpuledger import parse

        usd = parse.required(parse.dollars(budget, "--budget", above=Decimal(0), is_total=True), "--budget")
        answer = context.ledger().size(
            usd,
            inference_tokens=inference_tokens,
            deadline_hours=deadline,
            as_of=context.as_of(as_of),
            allow_stale=allow_stale,
        )
        table.emit(answer, format)


def calibrate(
    run: Annotated[
        Path,
        typer.Argument(
            help="A plan with a table [measured]: tokens_per_second or step_seconds; .json or .toml."
        ),
    ],
    format: FormatOption = None,
) -> None:
    """Save a measured run, so that estimates of plans like it rest on it."""
    with context.answering():
        syntax = "toml" if run.suffix == ".toml" else "json"
        table.emit(context.ledger().calibrate(context.text_of(run, "RUN"), syntax=syntax), format)

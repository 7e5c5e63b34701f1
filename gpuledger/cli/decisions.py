"""Commands for decisions around a training plan: claims, build-or-buy, own-or-rent, budget diff, size,
calibrate."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from gpuledger.cli import completion, context, table
from gpuledger.cli.columns import CLAIM_COLUMNS
from gpuledger.cli.prices import AllowStale, AsOf, FormatOption
from gpuledger.core.errors import UsageError

Plan = Annotated[
    str,
    typer.Argument(help="A plan file, a preset, or - for standard input.", autocompletion=completion.plans),
]
Money = Annotated[str | None, typer.Option(help="US dollars.")]


def register(app: typer.Typer) -> None:
    """Add this group's commands to the program."""
    app.command()(claims)
    app.command(name="build-or-buy")(build_or_buy)
    app.command(name="own-or-rent")(own_or_rent)
    app.command()(size)
    app.command()(calibrate)
    budget = typer.Typer(help="Planned against paid.", no_args_is_help=True)
    budget.command(name="diff")(budget_diff)
    app.add_typer(budget, name="budget")


def _decimal(text: str, flag: str, *, least: Decimal | None = None) -> Decimal:
    from gpuledger.core.money import decimal_from

    try:
        value = decimal_from(text)
    except ValueError:
        raise UsageError(f"{flag}: {text!r} is no number, as in 1250.50") from None
    if value < 0 or (least is not None and value <= least):
        raise UsageError(f"{flag}: {text} must be above {least if least is not None else 'or equal to 0'}")
    return value


def _text(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UsageError(f"{what}: cannot read {path}: {reason}") from error


def claims(
    action: Annotated[str, typer.Argument(help="check")] = "check",
    file: Annotated[Path | None, typer.Option(help="Claims of another article, in the same form.")] = None,
    format: FormatOption = None,
) -> None:
    """Check the numbers of articles: what was stated against what it implies."""
    with context.answering():
        from gpuledger.core.cost.decisions.claim import checked_claims

        if action != "check":
            raise UsageError(f"claims: {action!r} is not an action; there is check")
        found = checked_claims() if file is None else checked_claims(_text(file, "--file"), str(file))
        table.emit([claim.to_dict() for claim in found], format, columns=CLAIM_COLUMNS)


def build_or_buy(
    plan: Plan,
    api_price: Annotated[str, typer.Option("--api-usd-per-1k", help="API, US dollars per 1,000 tokens.")],
    calls: Annotated[str, typer.Option("--calls-per-month", help="Calls that will be made a month.")],
    tokens: Annotated[str, typer.Option("--tokens-per-call", help="Tokens of one call.")] = "1000",
    months: Annotated[str, typer.Option(help="How long.")] = "12",
    own_price: Annotated[
        str, typer.Option("--own-usd-per-1k", help="Own inference per 1,000 tokens, beside hosting.")
    ] = "0",
    tuning_price: Annotated[
        str | None,
        typer.Option("--api-training-usd-per-1k", help="Fine-tuning at the API, per 1,000 tokens."),
    ] = None,
    hosting: Annotated[
        str | None, typer.Option("--hosting-usd-per-month", help="Hosting of the own model.")
    ] = None,
    as_of: AsOf = None,
    allow_stale: AllowStale = False,
    format: FormatOption = None,
) -> None:
    """Train and host, or buy from an API: totals, and the calls a month at which they meet."""
    with context.answering():
        from gpuledger.core.cost.decisions.decision import HOSTING_USD_PER_YEAR, BuildOrBuy, api_usd
        from gpuledger.core.cost.question import QuoteOptions
        from gpuledger.parse import one_plan
        from gpuledger.quoting import answer, measurements, own_terms

        wanted = one_plan(plan)
        asked = QuoteOptions(
            limit=1, allow_stale=allow_stale, overrides=own_terms(), measurements=measurements()
        )
        found = answer(wanted, asked, as_of=context.instant(as_of, "--as-of"), now=context.now())
        hosted = wanted.costs.hosting_usd_per_month
        if hosting is not None:
            hosted = _decimal(hosting, "--hosting-usd-per-month")
        assumed = hosted is None
        if hosted is None:
            hosted = HOSTING_USD_PER_YEAR[0] / 12
        per_call = _decimal(tokens, "--tokens-per-call", least=Decimal(0)) / 1000
        trained = Decimal(repr(wanted.total_tokens or 0.0))
        result = BuildOrBuy(
            build_usd=found.mid,
            hosting_usd_per_month=hosted,
            own_usd_per_call=_decimal(own_price, "--own-usd-per-1k") * per_call,
            api_usd_per_call=_decimal(api_price, "--api-usd-per-1k") * per_call,
            api_training_usd=Decimal(0)
            if tuning_price is None
            else api_usd(trained, _decimal(tuning_price, "--api-training-usd-per-1k")),
            months=_decimal(months, "--months", least=Decimal(0)),
            calls_per_month=_decimal(calls, "--calls-per-month"),
        ).to_dict()
        result["training_usd"] = f"{found.mid:.2f}"
        result["quote_id"] = found.quotes[0].quote_id
        result["hosting_usd_per_month"] = f"{hosted:.2f}"
        result["assumptions"] = ["hosting: 50,000 USD a year, the lower default"] if assumed else []
        table.emit(result, format)


def own_or_rent(
    gpus: Annotated[int, typer.Option(help="Cards bought.", min=1)],
    capex: Annotated[str, typer.Option("--capex-usd", help="Price of the machines.")],
    gpu: Annotated[
        str | None, typer.Option("--gpu", "-g", help="SPEC to rent instead, at its cheapest.")
    ] = None,
    rent: Annotated[
        str | None, typer.Option("--rent-usd-per-gpu-hour", help="Rent; else from the ledger.")
    ] = None,
    utilisation: Annotated[float, typer.Option(help="Share of hours used, 0 to 1.", min=0.001, max=1)] = 1.0,
    running: Annotated[str, typer.Option("--running-usd-per-month", help="Space, repair, people.")] = "0",
    watts: Annotated[
        str, typer.Option("--watts-per-gpu", help="Power of one card and its share of the host.")
    ] = "0",
    power_price: Annotated[str | None, typer.Option("--usd-per-kwh", help="Electricity.")] = None,
    as_of: AsOf = None,
    format: FormatOption = None,
) -> None:
    """Buy machines or rent them: the month from which owning has cost less."""
    with context.answering():
        from gpuledger.core.cost.assumption import assumed
        from gpuledger.core.cost.decisions.decision import HOURS_PER_MONTH, OwnOrRent

        share = Decimal(repr(utilisation))
        kwh = _decimal(power_price, "--usd-per-kwh") if power_price else assumed("usd_per_kwh")
        power = _decimal(watts, "--watts-per-gpu") / 1000 * assumed("power_usage_effectiveness") * kwh
        price, basis = _rent(gpu, rent, as_of)
        result = OwnOrRent(
            capex_usd=_decimal(capex, "--capex-usd"),
            gpus=gpus,
            rent_usd_per_gpu_hour=price,
            utilisation=share,
            running_usd_per_month=_decimal(running, "--running-usd-per-month")
            + power * gpus * HOURS_PER_MONTH * share,
        ).to_dict()
        result["rent_basis"] = basis
        table.emit(result, format)


def _rent(gpu: str | None, rent: str | None, as_of: str | None) -> tuple[Decimal, str]:
    from gpuledger.core.cheapest import cheapest_by_provider
    from gpuledger.core.spec import parse_spec
    from gpuledger.core.store.offers import OfferQuery, offers

    if rent is not None:
        return _decimal(rent, "--rent-usd-per-gpu-hour", least=Decimal(0)), "as given"
    if gpu is None:
        raise UsageError("own-or-rent: give --rent-usd-per-gpu-hour, or --gpu for a price from the ledger")
    past = context.instant(as_of, "--as-of")
    wanted = OfferQuery(gpu_ids=list(parse_spec(gpu).gpu_ids), purchase_options=["on_demand"])
    with context.snapshot() as connection:
        found = offers(connection, wanted, as_of=past)
    ranking = cheapest_by_provider(found, at=past or context.now(), allow_stale=False).ranking
    if not ranking or ranking[0].offer.usd_per_gpu_hour is None:
        raise UsageError(f"--gpu: the ledger has no on-demand price of {gpu}")
    best = ranking[0].offer
    price = best.usd_per_gpu_hour
    assert price is not None
    return (
        price,
        f"{best.provider} {best.instance_type}, {best.price_id}, last seen {best.last_seen_at:%Y-%m-%d}",
    )


def budget_diff(
    plan: Plan,
    actual: Annotated[Path, typer.Argument(help="CSV with the columns name and usd.")],
    as_of: AsOf = None,
    allow_stale: AllowStale = False,
    lock: Annotated[Path | None, typer.Option(help="Plan at the prices of this lock file.")] = None,
    format: FormatOption = None,
) -> None:
    """Lines of the plan's cheapest quote against what was paid; exit code 1 if one is over by more than
    10 %."""
    with context.answering():
        from gpuledger.core.cost.decisions.budget import differences, read_actual
        from gpuledger.core.cost.question import QuoteOptions
        from gpuledger.parse import one_plan
        from gpuledger.quoting import answer, locked_answer, measurements, own_terms

        wanted = one_plan(plan)
        paid = read_actual(_text(actual, "ACTUAL"), str(actual))
        asked = QuoteOptions(
            limit=1, allow_stale=allow_stale, overrides=own_terms(), measurements=measurements()
        )
        past, now = context.instant(as_of, "--as-of"), context.now()
        if lock is None:
            found = answer(wanted, asked, as_of=past, now=now)
        else:
            found = locked_answer(wanted, asked, lock, as_of=past, now=now)
        rows = differences(found.lines, paid)
        table.emit([row.to_dict() for row in rows], format)
        if any(row.is_flagged for row in rows):
            raise typer.Exit(context.NOTHING)


def size(
    budget: Annotated[str, typer.Option(help="US dollars for training, and serving if asked.")],
    inference_tokens: Annotated[
        float, typer.Option(help="Tokens to be served over the model's life.", min=0)
    ] = 0.0,
    as_of: AsOf = None,
    allow_stale: AllowStale = False,
    format: FormatOption = None,
) -> None:
    """The model and token count that a budget trains best at today's cheapest offers."""
    with context.answering():
        from gpuledger.core.cost.decisions.size import affordable
        from gpuledger.core.cost.question import QuoteOptions
        from gpuledger.quoting import answer, measurements, own_terms

        usd = _decimal(budget, "--budget", least=Decimal(0))
        asked = QuoteOptions(
            limit=1, allow_stale=allow_stale, overrides=own_terms(), measurements=measurements()
        )
        past, now = context.instant(as_of, "--as-of"), context.now()
        found = affordable(usd, inference_tokens, lambda plan: answer(plan, asked, as_of=past, now=now))
        table.emit(found.to_dict(), format)


def calibrate(
    run: Annotated[
        Path,
        typer.Argument(
            help="A plan with a table [measured]: tokens_per_second or step_seconds; .json or .toml."
        ),
    ],
    format: FormatOption = None,
) -> None:
    """Keep a measured run, so that estimates of plans like it rest on it."""
    with context.answering():
        from dataclasses import asdict

        from gpuledger.core.estimate.measurements import append, read_run
        from gpuledger.quoting import measured_path

        syntax = "toml" if run.suffix == ".toml" else "json"
        measured = read_run(_text(run, "RUN"), syntax=syntax, measured_at=context.now().isoformat())
        context.home().create()
        append(measured_path(), measured)
        table.emit(asdict(measured), format)

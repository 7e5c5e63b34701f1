"""Commands about serving a model: serve-cost and token-prices."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gpuledger.cli import context, table
from gpuledger.cli.options import AllowStale, AsOf, FormatOption, Gpu, Limit, Providers, Region
from gpuledger.cli.table import Column

COST_COLUMNS = (
    Column("PROVIDER", "provider"),
    Column("INSTANCE", "instance_type"),
    Column("GPU", "gpu_id"),
    Column("TP", "tensor_parallel", is_number=True, shed=2),
    Column("BITS", "precision", shed=2),
    Column("TOK/S", "rate", is_number=True),
    Column("MS/TOK", "milliseconds_per_token", is_number=True),
    Column("$/M OUT", "per_million", is_number=True),
    Column("INSTANCES", "count", is_number=True),
    Column("$/MONTH", "month", is_number=True),
    Column("FROM", "month_low", is_number=True, shed=1),
    Column("TO", "month_high", is_number=True, shed=1),
    Column("BEATS API FROM", "break_even", is_number=True),
)
PRICE_COLUMNS = (
    Column("API", "api"),
    Column("SINCE", "valid_from"),
    Column("$/M INPUT", "input_usd_per_mtok", is_number=True),
    Column("$/M OUTPUT", "output_usd_per_mtok", is_number=True),
    Column("$/M CACHED", "cached_input_usd_per_mtok", is_number=True),
    Column("$/M TRAINING", "training_usd_per_mtok", is_number=True),
)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command(name="serve-cost")(serve_cost)
    app.command(name="token-prices")(token_prices)


def serve_cost(
    model: Annotated[str, typer.Argument(help="A preset, or a count of parameters such as 7B.")],
    requests: Annotated[str, typer.Option("--requests-per-day", help="Requests a day; needed.")],
    inputs: Annotated[
        str, typer.Option("--input-tokens", help="Tokens of input per request; default: 1000.")
    ] = "1000",
    outputs: Annotated[
        str, typer.Option("--output-tokens", help="Tokens of output per answer; default: 300.")
    ] = "300",
    samples: Annotated[
        int, typer.Option(help="Answers made per request, of which one is given; default: 1.", min=1)
    ] = 1,
    peak: Annotated[
        float | None, typer.Option("--peak-factor", help="Busiest hour over the mean one; default: 2.", min=1)
    ] = None,
    latency: Annotated[
        float | None,
        typer.Option(
            "--milliseconds-per-token", help="Longest time of one token of an answer; default: any.", min=0.1
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="Of the weights: bf16 fp8 fp4 int8 int4; default: 8 bits where the GPU computes in them."
        ),
    ] = None,
    gpu: Gpu = None,
    provider: Providers = None,
    region: Region = None,
    months: Annotated[str, typer.Option(help="Months of the lifetime; default: 12.")] = "12",
    api: Annotated[
        str | None, typer.Option(help="API to compare with, as openai/gpt-4o-mini; default: none.")
    ] = None,
    build: Annotated[
        str | None, typer.Option("--build-usd", help="US dollars of training, in the lifetime; default: 0.")
    ] = None,
    as_of: AsOf = None,
    allow_stale: AllowStale = False,
    limit: Limit = 5,
    format: FormatOption = None,
) -> None:
    """What it costs to serve a model at a load, and from how many requests a day on an API costs more."""
    with context.answering():
        answer = context.ledger().serve_cost(
            model,
            requests_per_day=requests,
            input_tokens=inputs,
            output_tokens=outputs,
            samples=samples,
            peak_factor=peak,
            milliseconds_per_token=latency,
            precision=precision,
            gpu=gpu,
            providers=provider,
            regions=region,
            months=months,
            api=api,
            build_usd=build,
            as_of=context.as_of(as_of),
            allow_stale=allow_stale,
            limit=limit or 5,
        )
        if not context.is_for_people(format):
            table.emit(answer, format)
            return
        table.emit([_row(one) for one in answer["servings"]], format, columns=COST_COLUMNS)
        other = answer["api"]
        if other is not None:
            context.say(f"{other['api']}: {other['usd_per_month']} USD a month; cheaper: {other['decision']}")
        for text in answer["warnings"]:
            context.say(f"warning: {text}")
        for text in answer["assumptions"]:
            context.say(f"assumed: {text}")


def _row(one: dict[str, Any]) -> dict[str, Any]:
    even = one["break_even_requests_per_day"]
    return one | {
        "rate": f"{one['tokens_per_second']['mid']:,.0f}",
        "per_million": (one["usd_per_million_output_tokens"] or {}).get("mid"),
        "count": one["instances"]["mid"],
        **{name: one["usd_per_month"][case] for name, case in _MONTHS},
        "break_even": None if even is None else "never" if even["mid"] is None else f"{even['mid']:,} a day",
    }


_MONTHS = (("month", "mid"), ("month_low", "low"), ("month_high", "high"))


def token_prices(
    words: Annotated[
        list[str] | None, typer.Argument(help="Words of provider/model, as in openai mini; default: all.")
    ] = None,
    as_of: AsOf = None,
    format: FormatOption = None,
) -> None:
    """What APIs take for a million tokens."""
    with context.answering():
        rows = context.ledger().token_prices(" ".join(words or ()), as_of=context.as_of(as_of))
        table.emit(rows, format, columns=PRICE_COLUMNS)
        for remark in rows.remarks:
            context.say(remark)
        if not rows:
            raise typer.Exit(context.NOTHING)

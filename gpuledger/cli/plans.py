"""Commands about training plans: quote, estimate, presets, lint, explain."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpuledger.cli import completion, context, decisions, table
from gpuledger.cli.columns import (
    CHAIN_COLUMNS,
    ESTIMATE_COLUMNS,
    FRONTIER_COLUMNS,
    LIMIT_COLUMNS,
    MANY_COLUMNS,
    QUOTE_COLUMNS,
)
from gpuledger.cli.prices import (
    AllowStale,
    AsOf,
    FormatOption,
    OnDemand,
    Providers,
    Reserved,
    Spot,
    Tiers,
    provider_hints,
    purchase_options,
)
from gpuledger.cli.table import Format
from gpuledger.core.errors import NoOfferError, UsageError

if TYPE_CHECKING:
    from gpuledger.core.cost.answer import QuoteSet
    from gpuledger.core.cost.question import QuoteOptions
    from gpuledger.core.plan import TrainingPlan

Plan = Annotated[
    str,
    typer.Argument(
        help="A .toml, .json or .jsonl file, a preset, or - for standard input.",
        autocompletion=completion.plans,
    ),
]
Gpu = Annotated[
    str | None,
    typer.Option(
        "--gpu", "-g", help="SPEC: [vendor:]NAME[:MEMORY][:COUNT].", autocompletion=completion.accelerators
    ),
]


def register(app: typer.Typer) -> None:
    """Add this group's commands to the program."""
    for command in (quote, estimate, presets, lint, explain):
        app.command()(command)
    decisions.register(app)


NOT_GIVEN = "not given: costs."
"""How the basis of a line begins that the plan says nothing about; the key follows."""


def quote(
    plan: Plan,
    gpu: Gpu = None,
    provider: Providers = None,
    region: Annotated[
        list[str] | None, typer.Option("--region", "-r", help="Region code, country or continent; repeat.")
    ] = None,
    spot: Spot = False,
    on_demand: OnDemand = False,
    reserved: Reserved = False,
    tier: Tiers = None,
    as_of: AsOf = None,
    deadline: Annotated[float | None, typer.Option(help="Most wall hours.", min=0)] = None,
    budget: Annotated[str | None, typer.Option(help="Most US dollars; says pass or fail with slack.")] = None,
    max_gpus: Annotated[int | None, typer.Option(help="Most GPUs paid for.", min=1)] = None,
    frontier: Annotated[
        bool, typer.Option("--frontier", help="All that is best in cost, time or risk.")
    ] = False,
    plot: Annotated[Path | None, typer.Option(help="With --frontier: draw it as SVG into this file.")] = None,
    allow_stale: AllowStale = False,
    lock: Annotated[
        Path | None, typer.Option(help="Write prices to this file, or re-use those in it.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", "-n", min=1, help="At most so many quotes; 10 for a plan, 1 each for many."),
    ] = None,
    span: Annotated[
        str | None, typer.Option("--over", help="Cheapest cost through time: 2024-01-01..2026-06-01.")
    ] = None,
    every: Annotated[str, typer.Option(help="With --over: one quote per 1d, 1w, 1mo.")] = "1mo",
    format: FormatOption = None,
) -> None:
    """Where the plan costs least in all, with a receipt for every dollar."""
    with context.answering():
        from gpuledger.parse import read_plans
        from gpuledger.quoting import answer, keep, locked_answer

        plans = read_plans(plan)
        asked = _asked(
            gpu=gpu,
            providers=tuple(provider or ()),
            regions=tuple(region or ()),
            tiers=tuple(tier or ()),
            purchase_options=tuple(purchase_options(spot=spot, on_demand=on_demand, reserved=reserved) or ()),
            deadline_hours=deadline,
            budget=budget,
            max_gpus=max_gpus,
            allow_stale=allow_stale,
            limit=limit or (10 if len(plans) == 1 else 1),
        )
        past, now = context.instant(as_of, "--as-of"), context.now()
        if span is not None:
            if len(plans) != 1:
                raise UsageError(f"--over: takes one plan, got {len(plans)}")
            from gpuledger.plan_over import over, steps

            table.emit(list(over(plans[0], asked, steps(span, every, now=now), now=now)), format)
            return
        if frontier:
            if len(plans) != 1:
                raise UsageError(f"--frontier: takes one plan, got {len(plans)}")
            _frontier(plans[0], asked, plot, format, past, now)
            return
        if len(plans) != 1:
            _quote_many(plans, asked, format, past, now)
            return
        with _naming_providers(provider):
            if lock is not None:
                found = locked_answer(plans[0], asked, lock, as_of=past, now=now)
            else:
                found = answer(plans[0], asked, as_of=past, now=now)
        keep(found)
        _show(found, format)
        if not found.keeps_limits:
            context.say("no offer keeps the deadline and the budget")
            raise typer.Exit(context.NOTHING)


@contextmanager
def _naming_providers(named: list[str] | None) -> Generator[None]:
    """Where no offer is left, say which of the providers asked for nobody knows."""
    try:
        yield
    except NoOfferError as error:
        with context.snapshot() as connection:
            hints = provider_hints(connection, named)
        raise NoOfferError("; ".join([str(error), *hints])) from None


def _is_for_people(format: Format | None) -> bool:
    return format in (Format.TABLE, Format.MD) or (format is None and sys.stdout.isatty())


def _asked(*, budget: str | None, **flags: Any) -> QuoteOptions:
    from gpuledger.core.cost.question import QuoteOptions
    from gpuledger.core.money import decimal_from
    from gpuledger.quoting import measurements, own_terms

    try:
        budget_usd = None if budget is None else decimal_from(budget)
    except ValueError:
        raise UsageError(f"--budget: {budget!r} is no amount, as in 500 or 1250.50") from None
    if budget_usd is not None and budget_usd < 0:
        raise UsageError(f"--budget: {budget} is negative")
    return QuoteOptions(budget_usd=budget_usd, overrides=own_terms(), measurements=measurements(), **flags)


def _show(found: QuoteSet, format: Format | None) -> None:
    if _is_for_people(format):
        table.emit([_table_row(row) for row in found.to_dict()["quotes"]], format, columns=QUOTE_COLUMNS)
        if format is not Format.MD:
            for remark in _remarks(found):
                typer.echo(table.wrapped(remark))
    elif format in (Format.CSV, Format.JSONL):
        table.emit(found.to_dict()["quotes"], format)
    else:
        table.emit(found.to_dict(), format)


def _table_row(row: dict[str, Any]) -> dict[str, Any]:
    from datetime import timedelta

    term = f" {row['term_months']} mo" if row["term_months"] else ""
    usd = row["usd_total"]
    # nobody reads the cents of an interval that is thousands wide
    cents = 2 if float(usd["mid"]) < 10_000 else 0
    return row | {
        "usd_mid": f"{float(usd['mid']):,.2f}",
        "usd_range": f"{float(usd['low']):,.{cents}f}..{float(usd['high']):,.{cents}f}",
        "gpus_of": f"{row['paid_gpus']} x {row['gpu_id']}",
        "option": f"{row['purchase_option']}{term}",
        "hours": f"{row['wall_hours']['mid']:,.1f}",
        "age": table.age(timedelta(hours=row["price_age_hours"])),
    }


def _remarks(found: QuoteSet) -> list[str]:
    """What a person should know beside the ranking."""
    content = found.to_dict()
    said = ["", f"Lines of {found.quotes[0].quote_id}:"]
    keys: list[str] = []
    for line in content["quotes"][0]["lines"]:
        if line["usd"] is None and line["basis"].startswith(NOT_GIVEN):
            keys.append(line["basis"].removeprefix(NOT_GIVEN))
            continue
        usd = "unknown" if line["usd"] is None else f"{float(line['usd']):,.2f}"
        said.append(f"  {line['name']:<24}{usd:>12}  {table.clean(line['basis'])}")
    if keys:
        said.append(f"Not given, so not counted: costs.{{{', '.join(dict.fromkeys(keys))}}}")
    other, flip = content["cheapest_per_gpu_hour"], content["flipped_by"]
    if other is not None and flip is not None:
        said.append(
            f"Cheapest per hour: {other['gpu_id']} at {other['provider']}, {other['usd_per_gpu_hour']} USD; "
            f"{other['usd_total']['mid']} in all, mostly by {flip['line']} (+{flip['usd_more']})."
        )
    for name in ("deadline", "budget"):
        verdict = content[name]
        if verdict is not None:
            unit = "hours" if name == "deadline" else "usd"
            word = "pass" if verdict["passes"] else "fail"
            said.append(f"{name}: {word}, slack {verdict[f'slack_{unit}']} {unit}")
    excluded = "; ".join(f"{row['count']} x {row['reason']}" for row in content["excluded"])
    if excluded:
        said.append(f"Left out: {excluded}")
    said.append(f"Not included: {', '.join(content['not_included'])}")
    said += [f"Assumed: {text}" for text in content["assumptions"]]
    said += [f"Warning: {text}" for text in content["warnings"]]
    return said


def _quote_many(
    plans: list[TrainingPlan], asked: QuoteOptions, format: Format | None, past: Any, now: Any
) -> None:
    from gpuledger.quoting import batch

    rows = list(batch(plans, asked, as_of=past, now=now))
    if _is_for_people(format):
        shown = [
            row if one is None else row | _table_row(one)
            for row in rows
            for one in row.get("quotes") or [None]
        ]
        table.emit(shown, format, columns=MANY_COLUMNS)
    else:
        table.emit(rows, format)
    if all("error" in row or not row["keeps_limits"] for row in rows):
        raise typer.Exit(context.NOTHING)


def _frontier(
    plan: TrainingPlan, asked: QuoteOptions, path: Path | None, format: Format | None, past: Any, now: Any
) -> None:
    from gpuledger.core.cost.frontier import frontier, plot
    from gpuledger.core.store.quotes import write_whole
    from gpuledger.quoting import market

    with market(plan, asked, as_of=past, now=now) as prices:
        points = frontier(plan, prices, now=now, options=asked)
    rows = [point.to_dict() for point in points]
    if _is_for_people(format):
        rows = [
            {
                **row,
                "usd_total": row["usd_total"]["mid"],
                "wall_hours": round(row["wall_hours"], 1),
                "gpus_of": f"{row['gpus']} x {row['gpu_id']}",
            }
            for row in rows
        ]
    table.emit(rows, format, columns=FRONTIER_COLUMNS)
    if path is not None:
        write_whole(path, plot(points, plan.name).encode())


def estimate(
    plan: Plan,
    gpu: Gpu = None,
    gpus: Annotated[int | None, typer.Option(help="How many GPUs.", min=1)] = None,
    limits: Annotated[
        bool, typer.Option("--limits", help="Also the largest micro-batch and the longest sequence that fit.")
    ] = False,
    format: FormatOption = None,
) -> None:
    """Hours, memory and fit, without prices. Searches the hardware that the plan does not name."""
    with context.answering():
        from gpuledger.core.cost.physics import estimates_of
        from gpuledger.core.errors import EstimateError
        from gpuledger.core.estimate.largest_fit import limits_of
        from gpuledger.core.parallel import in_processes
        from gpuledger.parse import read_plans
        from gpuledger.quoting import measurements

        plans, own = read_plans(plan), measurements()

        def answers(one: TrainingPlan) -> list[dict[str, Any]]:
            try:
                found = estimates_of(one, gpu=gpu, gpus=gpus, measurements=own)
                return [e.to_dict() | (limits_of(one, e) if limits else {}) for e in found]
            except EstimateError as error:
                if len(plans) == 1:
                    raise
                return [{"plan": one.name, "error": str(error)}]

        rows = [row for found in in_processes(answers, plans, os.cpu_count() or 1) for row in found]
        is_one = len(rows) == 1 and len(plans) == 1
        columns = (*ESTIMATE_COLUMNS, *(LIMIT_COLUMNS if limits else ()))
        columns = None if any("error" in row for row in rows) else columns
        table.emit(rows[0] if is_one else rows, format, columns=columns)
        if not any(row.get("fits") for row in rows):
            context.say("nothing fits: no estimate here holds the plan in memory")
            raise typer.Exit(context.NOTHING)


def presets(format: FormatOption = None) -> None:
    """Plans known by name."""
    with context.answering():
        from gpuledger.core.plan import preset_plan
        from gpuledger.core.plan import presets as names

        rows = [
            {
                "name": name,
                "method": plan.method,
                "model": plan.model,
                "training_tokens": plan.total_tokens,
                "sequence_length": plan.sequence_length,
            }
            for name in names()
            for plan in [preset_plan(name)]
        ]
        table.emit(rows, format)


def lint(plan: Plan, format: FormatOption = None) -> None:
    """Can this be true? Checks a plan against memory, arithmetic and physics."""
    with context.answering():
        from gpuledger.core.cost.decisions.lint import lint_plan
        from gpuledger.parse import one_plan

        findings = lint_plan(one_plan(plan))
        table.emit([finding.to_dict() for finding in findings], format)
        if any(finding.is_error for finding in findings):
            raise typer.Exit(context.NOTHING)


def explain(
    quote_id: Annotated[str, typer.Argument(metavar="QUOTE_ID", help="As `quote` printed it.")],
    format: FormatOption = None,
) -> None:
    """The chain from a quote's dollars to the stored bytes."""
    with context.answering():
        from gpuledger.core.store.publish import reading
        from gpuledger.quoting import explained

        home = context.home()
        found = explained(home, quote_id, lambda: reading(home))
        if _is_for_people(format):
            table.emit(found["chain"], format, columns=CHAIN_COLUMNS)
        else:
            table.emit(found, format)

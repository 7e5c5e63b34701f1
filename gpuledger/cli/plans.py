"""Commands about training plans: quote, compare, estimate, presets, lint, explain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpuledger import formats
from gpuledger.cli import context, table
from gpuledger.cli.columns import (
    CHAIN_COLUMNS,
    ESTIMATE_COLUMNS,
    FRONTIER_COLUMNS,
    LIMIT_COLUMNS,
    MANY_COLUMNS,
    OVER_COLUMNS,
    PRESET_COLUMNS,
    QUOTE_COLUMNS,
    quote_row,
    remarks,
)
from gpuledger.cli.options import (
    AllowStale,
    AsOf,
    FormatOption,
    Gpu,
    OptionalPlan,
    one_of,
    plans_of,
    with_plan_options,
    with_quote_options,
)
from gpuledger.cli.table import Format
from gpuledger.core.errors import UsageError
from gpuledger.formats import ReportForm

if TYPE_CHECKING:
    from gpuledger.core.cost.quote_set import QuoteSet
    from gpuledger.core.plan import TrainingPlan


def register(app: typer.Typer) -> None:
    """Add this group's commands to the program."""
    for command in (quote, compare, estimate, presets, lint, explain):
        app.command()(command)


@with_quote_options
def quote(
    options: dict[str, Any],
    plan: OptionalPlan = None,
    as_of: AsOf = None,
    frontier: Annotated[
        bool, typer.Option("--frontier", help="All ways that are best in cost, time or risk; default: no.")
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="With --frontier: file for a picture: .svg, .png, .pdf, .html or .json; default: none."
        ),
    ] = None,
    lock: Annotated[
        Path | None,
        typer.Option(help="File that prices are written to, or taken from where it exists; default: none."),
    ] = None,
    span: Annotated[
        str | None,
        typer.Option(
            "--over",
            help="Span of time, 2024-01-01..2026-06-01: the cheapest cost at each step; default: none.",
        ),
    ] = None,
    every: Annotated[
        str, typer.Option(help="With --over: length of a step, 1d, 1w or 1mo; default: 1mo.")
    ] = "1mo",
    report: Annotated[
        ReportForm | None,
        typer.Option(
            help="A report to paste or print, md or html, or a usage file of infracost; default: none."
        ),
    ] = None,
    other: Annotated[
        list[str] | None,
        typer.Option("--compare", help="Another plan beside this one. Repeat for several; default: none."),
    ] = None,
    format: FormatOption = None,
) -> None:
    """Where the plan costs least in all, with a receipt for every dollar."""
    with context.answering():
        _one_form(frontier=frontier, over=span, report=report, compare=other)
        plans, options = plans_of(plan, options)
        parameters = _options(options, plans)
        past = context.as_of(as_of)
        if span is not None:
            _one_alone(plans, "--over")
            rows = context.ledger().quote_over(plans[0], span=span, every=every, **parameters)
            table.emit(rows, format, columns=OVER_COLUMNS)
            return
        if other:
            _side_by_side(
                [*plans, *(one for name in other for one in context.plans(name))], parameters, format, past
            )
            return
        if report is not None:
            _one_alone(plans, "--report")
            text = None if lock is None else context.text_of(lock, "--lock")
            written, answer = context.ledger().report_and_answer(
                plans[0], kind=report.value, as_of=past, lock=text, **{**parameters, "limit": 5}
            )
            typer.echo(written, nl=False)
            _end_if_missed(answer)
            return
        if frontier:
            _one_alone(plans, "--frontier")
            _frontier(plans[0], parameters, plot, format, past)
            return
        if len(plans) != 1:
            _quote_many(plans, parameters, format, past)
            return
        answer = _quoted(plans[0], parameters, lock, past)
        _show(answer, format)
        _end_if_missed(answer)


def _one_form(**forms: object) -> None:
    """Forms of an answer exclude each other.

    Raises:
        UsageError: two are asked for.
    """
    chosen = [f"--{name}" for name, value in forms.items() if value]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)}: each is an answer of its own; ask for one at a time")


def _end_if_missed(answer: QuoteSet) -> None:
    """What misses its limits is written all the same, and the exit code says so."""
    if not answer.keeps_limits:
        context.say("no offer keeps the deadline and the budget")
        raise typer.Exit(context.NOTHING)


def _one_alone(plans: list[TrainingPlan], flag: str) -> None:
    if len(plans) != 1:
        raise UsageError(f"{flag}: takes one plan, got {len(plans)}")


def _options(inputs: dict[str, Any], plans: list[TrainingPlan]) -> dict[str, Any]:
    """The options that were given; many plans get one quote each unless more are asked for."""
    from gpuledger import parse

    chosen = {name: value for name, value in inputs.items() if value not in (None, [], ())}
    if "budget_usd" in chosen:
        chosen["budget_usd"] = parse.dollars(chosen["budget_usd"], "--budget", is_total=True)
    return {"limit": 10 if len(plans) == 1 else 1} | chosen


def _quoted(plan: TrainingPlan, parameters: dict[str, Any], lock: Path | None, past: Any) -> QuoteSet:
    """The ranking; with a lock file from that, which is written first where there is none, so that the first answer is
    the same bytes as all later ones."""
    from gpuledger.core.files import write_whole

    ledger = context.ledger()
    if lock is None:
        return ledger.quote(plan, as_of=past, **parameters)
    if not lock.exists():
        write_whole(lock, ledger.lock(plan, as_of=past, **parameters).encode())
    return ledger.quote(plan, lock=context.text_of(lock, "--lock"), **parameters)


def _show(answer: QuoteSet, format: Format | None) -> None:
    if context.is_for_people(format):
        table.emit([quote_row(row) for row in answer.to_dict()["quotes"]], format, columns=QUOTE_COLUMNS)
        if format is not Format.MD:
            for remark in remarks(answer):
                typer.echo(table.wrapped(remark))
    elif format in (Format.CSV, Format.JSONL):
        table.emit(answer.to_dict()["quotes"], format)
    else:
        table.emit(answer.to_dict(), format)


def _quote_many(
    plans: list[TrainingPlan], parameters: dict[str, Any], format: Format | None, past: Any
) -> None:
    rows = list(context.ledger().quotes(plans, as_of=past, **parameters))
    if context.is_for_people(format):
        shown = [
            row if one is None else row | quote_row(one)
            for row in rows
            for one in row.get("quotes") or [None]
        ]
        table.emit(shown, format, columns=MANY_COLUMNS)
    else:
        table.emit(rows, format)
    if all("error" in row or not row["keeps_limits"] for row in rows):
        raise typer.Exit(context.NOTHING)


def _frontier(
    plan: TrainingPlan, parameters: dict[str, Any], path: Path | None, format: Format | None, past: Any
) -> None:
    if path is not None:
        from gpuledger.cli.plot import check_plot_path

        check_plot_path(path)
    points = context.ledger().frontier(plan, as_of=past, **parameters)
    rows = [point.to_dict() for point in points]
    if context.is_for_people(format):
        rows = [
            {
                **row,
                "usd_total": f"{float(row['usd_total']['mid']):,.2f}",
                "wall_hours": formats.hours(row["wall_hours"]),
                "gpus_of": f"{row['gpus']} x {row['gpu_id']}",
            }
            for row in rows
        ]
    table.emit(rows, format, columns=FRONTIER_COLUMNS)
    if path is not None:
        from gpuledger.cli.plot import write_frontier_plot

        when = f"{past or context.now():%Y-%m-%d %H:%M} UTC"
        caption = f"gpuledger, prices as of {when}: no other way is better in cost, time and risk at once."
        drawn = [point.to_dict() for point in points]
        write_frontier_plot(drawn, path, title=f"{plan.name}: cost against time", caption=caption)


def compare(
    plans: Annotated[list[str], typer.Argument(metavar="PLAN...", help="Files or presets, two or more.")],
    gpu: Gpu = None,
    as_of: AsOf = None,
    allow_stale: AllowStale = False,
    plot: Annotated[
        Path | None,
        typer.Option(help="File for a picture: .svg, .png, .pdf, .html or .json; default: none."),
    ] = None,
    format: FormatOption = None,
) -> None:
    """Plans side by side at the same prices: what each costs more, and takes longer, than the first."""
    with context.answering():
        read = [plan for argument in plans for plan in context.plans(argument)]
        if len(read) < 2:
            raise UsageError(f"PLAN: {len(read)} plan, two or more are compared")
        asked_for = {"gpu": gpu, "allow_stale": allow_stale}
        _side_by_side(read, asked_for, format, context.as_of(as_of), plot)


def _side_by_side(
    plans: list[TrainingPlan],
    parameters: dict[str, Any],
    format: Format | None,
    past: Any,
    path: Path | None = None,
) -> None:
    """Lines as rows and plans as columns for people, the best of a line marked; one row per plan for programs."""
    from gpuledger.core.cost.compare import column_names, side_by_side

    if path is not None:
        from gpuledger.cli.plot import check_plot_path

        check_plot_path(path)
    rows = context.ledger().compare(plans, as_of=past, **{**parameters, "limit": 1})
    if context.is_for_people(format):
        columns = [table.Column(formats.clean(name), name, is_number=True) for name in column_names(rows)]
        lines = [_marked(line) for line in side_by_side(rows) if line["line"] != "error"]
        table.emit_in_blocks(lines, format, table.Column("", "line"), columns)
        for name, row in zip(column_names(rows), rows, strict=True):
            if row["error"] is not None:
                context.say(f"no quote of {name}: {row['error']}")
    else:
        table.emit(rows, format)
    if path is not None:
        from gpuledger.cli.plot import write_comparison_plot

        when = f"{past or context.now():%Y-%m-%d %H:%M} UTC"
        write_comparison_plot(
            rows,
            path,
            title="Plans side by side",
            caption=f"gpuledger, prices as of {when}; low to high, mark: middle.",
        )
    if all(row["error"] is not None for row in rows):
        raise typer.Exit(context.NOTHING)


def _marked(line: dict[str, Any]) -> dict[str, Any]:
    def shown(name: str, value: Any) -> Any:
        if not isinstance(value, float):
            return value
        text = formats.hours(value) if line["line"] == "wall hours" else f"{value:,.2f}"
        return f"{text} *" if name in line["best"] else text

    return {name: shown(name, value) for name, value in line.items() if name != "best"}


@with_plan_options
def estimate(
    options: dict[str, Any],
    plan: OptionalPlan = None,
    gpu: Gpu = None,
    gpus: Annotated[
        int | None,
        typer.Option(help="GPUs that the run uses; default: the fewest that hold the plan.", min=1),
    ] = None,
    limits: Annotated[
        bool,
        typer.Option(
            "--limits", help="Also the largest micro-batch and the longest sequence that fit; default: no."
        ),
    ] = False,
    no_evidence: Annotated[
        bool,
        typer.Option("--no-evidence", help="Leave out the published runs nearest to the plan; default: no."),
    ] = False,
    format: FormatOption = None,
) -> None:
    """Hours, memory and fit, without prices. Searches the hardware that the plan does not name."""
    with context.answering():
        ledger = context.ledger()
        parameters: dict[str, Any] = {"gpu": gpu, "gpus": gpus, "limits": limits, "no_evidence": no_evidence}
        is_preset = plan is not None and context.is_preset(plan) and not any(options.values())
        # a name alone may have been estimated before
        plans = [plan] if plan is not None and is_preset else plans_of(plan, options)[0]
        is_one = len(plans) == 1
        rows = ledger.estimate(plans[0], **parameters) if is_one else ledger.estimates(plans, **parameters)
        columns = (*ESTIMATE_COLUMNS, *(LIMIT_COLUMNS if limits else ()))
        columns = None if any("error" in row for row in rows) else columns
        table.emit(rows[0] if len(rows) == 1 and is_one else rows, format, columns=columns)
        if not any(row.get("fits") for row in rows):
            context.say("nothing fits: no estimate here holds the plan in memory")
            raise typer.Exit(context.NOTHING)


def presets(format: FormatOption = None) -> None:
    """Plans known by name."""
    with context.answering():
        table.emit(context.ledger().presets(), format, columns=PRESET_COLUMNS)


@with_plan_options
def lint(options: dict[str, Any], plan: OptionalPlan = None, format: FormatOption = None) -> None:
    """Can this be true? Checks a plan against memory, arithmetic and physics."""
    with context.answering():
        rows = context.ledger().lint(one_of(plan, options)[0])
        table.emit(rows, format)
        if any(row["severity"] == "error" for row in rows):
            raise typer.Exit(context.NOTHING)


def explain(
    quote_id: Annotated[
        str, typer.Argument(metavar="QUOTE_ID", help="16 hex digits, as `quote` printed them.")
    ],
    format: FormatOption = None,
) -> None:
    """The chain from a quote's dollars to the stored bytes."""
    with context.answering():
        answer = context.ledger().explain(quote_id)
        if context.is_for_people(format):
            table.emit(answer["chain"], format, columns=CHAIN_COLUMNS)
        else:
            table.emit(answer, format)

"""Commands that ask for prices: offers, cheapest, history, index, gpus, providers, regions, sql."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpuledger import formats
from gpuledger.cli import context, table
from gpuledger.cli.columns import (
    GPU_COLUMNS,
    HISTORY_COLUMNS,
    INDEX_CHECK_COLUMNS,
    INDEX_COLUMNS,
    OFFER_COLUMNS,
    OVERVIEW_COLUMNS,
    PROVIDER_COLUMNS,
    SPREAD_COLUMNS,
)
from gpuledger.cli.options import (
    AllowStale,
    AsOf,
    FormatOption,
    Gpu,
    Limit,
    OnDemand,
    OptionalSpec,
    Providers,
    Region,
    Reserved,
    SpecArgument,
    SpotFlag,
    Tiers,
    one_spec,
    purchase_options,
)
from gpuledger.cli.table import Column, Format
from gpuledger.core.count import counted
from gpuledger.core.errors import UsageError
from gpuledger.core.purchase_option import option_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpuledger.questions.reader import Rows


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    for command in (overview, offers, cheapest, history, index, gpus, providers, regions):
        app.command()(command)
    app.command(name="sql")(run_sql)


def _table_row(row: dict[str, Any]) -> dict[str, Any]:
    term = f" {formats.number(row['term_months'])} mo" if row["term_months"] else ""
    age = timedelta(hours=row["price_age_hours"])
    return row | {"age": age, "option": f"{row['purchase_option']}{term}"}


def _emit_offers(rows: Rows, format: Format | None) -> None:
    has_notes = any("note" in row for row in rows)
    columns = OFFER_COLUMNS + ((Column("NOTE", "note", shed=1),) if has_notes else ())
    shown = list(map(_table_row, rows)) if context.is_for_people(format) else rows
    table.emit(shown, format, columns=columns)
    for remark in rows.remarks:
        context.say(remark)


def overview(as_of: AsOf = None, format: FormatOption = None) -> None:
    """The market at a glance: one row per accelerator on sale, of the prices in its most reliable state."""
    with context.answering():
        rows = context.ledger().overview(as_of=context.as_of(as_of))
        table.emit(rows, format, columns=OVERVIEW_COLUMNS)
        if not rows:
            raise typer.Exit(context.NOTHING)


def offers(
    spec: OptionalSpec = None,
    gpu: Gpu = None,
    provider: Providers = None,
    region: Region = None,
    tier: Tiers = None,
    spot: SpotFlag = False,
    on_demand: OnDemand = False,
    reserved: Reserved = False,
    max_price: Annotated[
        str | None, typer.Option(help="US dollars per GPU-hour at most; default: no limit.")
    ] = None,
    min_gpu_memory: Annotated[
        float | None, typer.Option(help="GiB of one GPU at least; default: no limit.")
    ] = None,
    min_gpu_count: Annotated[
        float | None, typer.Option(help="GPUs of one order at least; default: no limit.")
    ] = None,
    max_gpu_count: Annotated[
        float | None, typer.Option(help="GPUs of one order at most; default: no limit.")
    ] = None,
    best_per_provider: Annotated[
        bool,
        typer.Option(
            "--best-per-provider",
            help="Of each accelerator, provider and purchase option the best offer alone; default: no.",
        ),
    ] = False,
    order_by: Annotated[
        str | None,
        typer.Option(help="Column to order by, such as usd_per_gpu_hour or usd_per_gib_hour; default: best."),
    ] = None,
    descending: Annotated[
        bool, typer.Option("--descending", help="The greatest first, with --order-by; default: no.")
    ] = False,
    source: Annotated[
        list[str] | None, typer.Option(help="Name of a source. Repeat for several; default: all.")
    ] = None,
    state: Annotated[
        list[str] | None,
        typer.Option(
            help="State of the price: fresh, stale, unlisted, sold_out, lapsed or recorded. Repeat for several; "
            "default: all but lapsed."
        ),
    ] = None,
    as_of: AsOf = None,
    limit: Limit = None,
    format: FormatOption = None,
) -> None:
    """List offers, the most reliable prices first, then the cheapest per GPU-hour, with age and stock."""
    with context.answering():
        from gpuledger import parse

        rows = context.ledger().offers(
            one_spec(spec, gpu),
            providers=provider,
            regions=region,
            tiers=tier,
            purchase_options=purchase_options(spot=spot, on_demand=on_demand, reserved=reserved),
            max_usd_per_gpu_hour=parse.dollars(max_price, "--max-price"),
            min_gpu_memory=min_gpu_memory,
            min_gpu_count=min_gpu_count,
            max_gpu_count=max_gpu_count,
            best_per_provider=best_per_provider,
            order_by=order_by or "best",
            descending=descending,
            sources=source,
            states=state,
            as_of=context.as_of(as_of),
            limit=limit,
        )
        _emit_offers(rows, format)
        if not rows:
            raise typer.Exit(context.NOTHING)


def cheapest(
    spec: SpecArgument,
    provider: Providers = None,
    region: Region = None,
    tier: Tiers = None,
    spot: SpotFlag = False,
    on_demand: OnDemand = False,
    reserved: Reserved = False,
    spread: Annotated[
        str | None,
        typer.Option(
            metavar="GROUP",
            help="Least, median and greatest price per region, provider, tier, purchase_option, country or gpu_id; "
            "default: a ranking of providers.",
        ),
    ] = None,
    as_of: AsOf = None,
    allow_stale: AllowStale = False,
    limit: Limit = None,
    format: FormatOption = None,
) -> None:
    """The cheapest offer of each provider per GPU-hour, on-demand unless asked otherwise."""
    with context.answering():
        chosen: dict[str, Any] = {
            "providers": provider,
            "regions": region,
            "tiers": tier,
            "purchase_options": purchase_options(spot=spot, on_demand=on_demand, reserved=reserved)
            or ("on_demand",),
            "as_of": context.as_of(as_of),
        }
        if spread is not None:
            rows = context.ledger().spread(spec, by=spread, **chosen)  # pyright: ignore[reportArgumentType]
            table.emit(rows[:limit], format, columns=SPREAD_COLUMNS)
            for remark in rows.remarks:
                context.say(remark)
        else:
            rows = context.ledger().cheapest(spec, **chosen, allow_stale=allow_stale, limit=limit)
            _emit_offers(rows, format)
        if not rows:
            raise typer.Exit(context.NOTHING)


def history(
    spec: SpecArgument,
    provider: Providers = None,
    region: Region = None,
    tier: Tiers = None,
    spot: SpotFlag = False,
    on_demand: OnDemand = False,
    reserved: Reserved = False,
    since: Annotated[
        str | None, typer.Option("--from", help="First date or time, ISO 8601; default: the first recorded.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", help="Last date or time, ISO 8601; default: now.")
    ] = None,
    every: Annotated[
        str | None, typer.Option(help="Length of a step: 1h, 1d, 1w, 1mo; default: intervals as recorded.")
    ] = None,
    stat: Annotated[
        str,
        typer.Option(
            help="With --every: min, as cheapest then, or median of the prices in the best state; default: min."
        ),
    ] = "min",
    plot: Annotated[
        Path | None,
        typer.Option(
            help="File for a picture of the samples: .svg, .png, .pdf, .html or .json; default: none."
        ),
    ] = None,
    changes: Annotated[
        bool, typer.Option("--changes", help="When prices changed, the newest first; default: no.")
    ] = False,
    limit: Limit = None,
    format: FormatOption = None,
) -> None:
    """Prices over time: one row per offer and interval, or one per sample with --every."""
    with context.answering():
        if changes:
            moves = context.ledger().price_moves(
                spec,
                providers=provider,
                regions=region,
                tiers=tier,
                purchase_options=purchase_options(spot=spot, on_demand=on_demand, reserved=reserved),
                since=context.instant(since, "--from"),
                until=context.instant(until, "--to"),
                limit=limit or 100,
            )
            table.emit(moves, format)
            for remark in moves.remarks:
                context.say(remark)
            if not moves:
                raise typer.Exit(context.NOTHING)
            return
        if plot is not None:
            from gpuledger.cli.plot import check_plot_path

            check_plot_path(plot)
        every = every or ("1d" if plot is not None else None)
        start, stop = context.instant(since, "--from"), context.instant(until, "--to")
        if start and stop and start > stop:
            raise UsageError(f"--from: {since!r} is after --to {until!r}")
        rows = context.ledger().history(
            spec,
            providers=provider,
            regions=region,
            tiers=tier,
            purchase_options=purchase_options(spot=spot, on_demand=on_demand, reserved=reserved),
            since=start,
            until=stop,
            every=every,
            stat=stat,
            limit=limit,
        )
        table.emit(rows, format, columns=HISTORY_COLUMNS if every is None else None)
        for remark in rows.remarks:
            context.say(remark)
        if not rows:
            raise typer.Exit(context.NOTHING)
        if every is not None:
            which = ", ".join(name.strip() for name in spec.split(","))
            together = " together" if "," in spec else ""
            _draw(rows, plot, f"{which}{together}: {'cheapest' if stat == 'min' else 'median'} of the offers")


def _draw(rows: list[dict[str, Any]], plot: Path | None, title: str) -> None:
    import sys

    from gpuledger.cli.plot import sparkline, write_plot

    if sys.stdout.isatty():
        for option in dict.fromkeys(row["purchase_option"] for row in rows):
            series = [row for row in rows if row["purchase_option"] == option]
            context.say(
                f"{option_text(option)} {sparkline([float(row['usd_per_gpu_hour']) for row in series])}"
            )
    if plot is not None:
        span = f"{rows[0]['step_at']:%Y-%m-%d} to {rows[-1]['step_at']:%Y-%m-%d}"
        caption = f"gpuledger, {span}; at most {counted(max(row['providers'] for row in rows), 'provider')} at a time."
        if stale := sum(row["price_state"] == "stale" for row in rows):
            caption += f" {stale} of {len(rows)} values rest on a price that nobody confirmed then."
        write_plot(rows, plot, title=title, caption=caption)


def index(
    spec: SpecArgument,
    purchase_option: Annotated[
        str, typer.Option(help="on_demand, spot, reserved or capacity_block; default: on_demand.")
    ] = "on_demand",
    segment: Annotated[
        str, typer.Option(help="all, hyperscaler, neocloud or marketplace; default: all.")
    ] = "all",
    since: Annotated[
        str | None, typer.Option("--from", help="First date, ISO 8601; default: the first recorded.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", help="Last date, ISO 8601; default: the last recorded.")
    ] = None,
    verify: Annotated[
        str | None,
        typer.Option(
            help="Day to compute anew from the archived bytes and to compare with what is stored, or all: each day"
            " --from --to; default: none. Exit code 1 where a figure differs."
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="File for a picture: .svg, .png, .pdf, .html or .json; default: none."),
    ] = None,
    format: FormatOption = None,
) -> None:
    """The panel index of accelerators from matched offers, one row per accelerator and day."""
    with context.answering():
        if plot is not None:
            from gpuledger.cli.plot import check_plot_path

            check_plot_path(plot)
        ledger = context.ledger()
        chosen: dict[str, Any] = {"purchase_option": purchase_option, "segment": segment}
        start, stop = context.instant(since, "--from"), context.instant(until, "--to")
        span: dict[str, Any] = {"since": start, "until": stop}
        if verify is None:
            rows = ledger.index(spec, **chosen, **span)
        elif verify == "all":
            rows = ledger.check_index(spec, **chosen, **span)
        else:
            rows = ledger.check_index(spec, context.instant(verify, "--verify"), **chosen)
        table.emit(rows, format, columns=INDEX_COLUMNS if verify is None else INDEX_CHECK_COLUMNS)
        for remark in rows.remarks:
            context.say(remark)
        if not rows or any(row["state"] in ("differs", "no bytes") for row in rows):
            raise typer.Exit(context.NOTHING)
        if plot is not None and verify is None:
            from gpuledger.cli.plot import write_index_plot

            days = f"{rows[0]['price_date']} to {rows[-1]['price_date']}"
            caption = (
                f"gpuledger, {days}, method version {rows[0]['method_version']};"
                " band: what leaving any one provider out gives; gaps are withheld days."
            )
            title = f"{spec}, {option_text(purchase_option)}: price index"
            write_index_plot(rows, plot, title=title, caption=caption)


def _listing(name: str, format: Format | None, columns: Sequence[Column] | None = None) -> None:
    with context.answering():
        table.emit(getattr(context.ledger(), name)(), format, columns=columns)


def gpus(format: FormatOption = None) -> None:
    """Accelerators with offers, their memory and cheapest price."""
    _listing("gpus", format, GPU_COLUMNS)


def providers(format: FormatOption = None) -> None:
    """Providers with the number of their offers and the age of their prices."""
    _listing("providers", format, PROVIDER_COLUMNS)


def regions(format: FormatOption = None) -> None:
    """Regions with offers, their country and continent."""
    _listing("regions", format)


def run_sql(
    query: Annotated[str, typer.Argument(help="One read-only query, or - for standard input.")],
    format: FormatOption = None,
    timeout: Annotated[float, typer.Option(help="Seconds until the query is stopped; default: 60.")] = 60.0,
) -> None:
    """Run read-only SQL on the newest snapshot: no files, no extensions, no settings."""
    with context.answering():
        import sys

        from gpuledger.questions.prices import MOST_SECONDS

        if not 0 < timeout <= MOST_SECONDS:
            raise UsageError(f"--timeout: {timeout:g} is not between 0 and {MOST_SECONDS} seconds")
        text = sys.stdin.read() if query == "-" else query
        table.emit(context.ledger().query(text, timeout_seconds=timeout), format)

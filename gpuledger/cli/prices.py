"""Commands that read prices: offers, cheapest, history, gpus, providers, regions, sql."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpuledger.cli import completion, context, table
from gpuledger.cli.columns import GPU_COLUMNS, HISTORY_COLUMNS, OFFER_COLUMNS, PROVIDER_COLUMNS
from gpuledger.cli.table import Column, Format
from gpuledger.core.errors import EmptyLedgerError, OutdatedError, UsageError

if TYPE_CHECKING:
    import duckdb

    from gpuledger.core.store.offers import LatestOffer, OfferQuery

FormatOption = Annotated[Format | None, typer.Option("--format", "-f", help="Output format.")]
Providers = Annotated[
    list[str] | None,
    typer.Option("--provider", "-p", help="Only this provider; repeat.", autocompletion=completion.providers),
]
Region = Annotated[str | None, typer.Option("--region", "-r", help="Region code, country or continent (eu).")]
Tiers = Annotated[list[str] | None, typer.Option("--tier", help="secure or community; repeat.")]
AsOf = Annotated[str | None, typer.Option("--as-of", help="A past date or time, UTC.")]
AllowStale = Annotated[bool, typer.Option("--allow-stale", help="Let prices past their target win.")]
Limit = Annotated[int | None, typer.Option("--limit", "-n", min=1, help="At most so many rows.")]
Spot = Annotated[bool, typer.Option("--spot", help="Only spot.")]
OnDemand = Annotated[bool, typer.Option("--on-demand", help="Only on-demand.")]
Reserved = Annotated[bool, typer.Option("--reserved", help="Only reserved.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    for command in (offers, cheapest, history, gpus, providers, regions):
        app.command()(command)
    app.command(name="sql")(run_sql)


def purchase_options(*, spot: bool, on_demand: bool, reserved: bool) -> list[str] | None:
    """The purchase options that the flags name; `None` when none is given."""
    named = [("spot", spot), ("on_demand", on_demand), ("reserved", reserved)]
    chosen = [name for name, is_given in named if is_given]
    if reserved:
        chosen.append("capacity_block")
    return chosen or None


def offer_row(offer: LatestOffer, at: datetime) -> dict[str, Any]:
    """One offer for output: every field, and how fresh its price is at that time."""
    row = {name: getattr(offer, name) for name in offer.__slots__}
    row["price_state"] = offer.price_state(at)
    row["price_age_hours"] = round(offer.age(at).total_seconds() / 3600, 2)
    return row


def _table_row(row: dict[str, Any], offer: LatestOffer, at: datetime) -> dict[str, Any]:
    term = f" {table.number(offer.term_months)} mo" if offer.term_months else ""
    return row | {"age": offer.age(at), "option": f"{offer.purchase_option}{term}"}


def _emit_offers(
    found: list[LatestOffer], at: datetime, format: Format | None, extra: list[dict[str, Any]]
) -> None:
    import sys

    rows = [offer_row(offer, at) | more for offer, more in zip(found, extra, strict=True)]
    is_table = format is Format.TABLE or format is Format.MD or (format is None and sys.stdout.isatty())
    if is_table:
        rows = [_table_row(row, offer, at) for row, offer in zip(rows, found, strict=True)]
    columns = OFFER_COLUMNS + (
        (Column("NOTE", "note", shed=1),) if any("note" in more for more in extra) else ()
    )
    table.emit(rows, format, columns=columns)


def offer_query(
    spec: str | None,
    providers: list[str] | None,
    region: str | None,
    tiers: list[str] | None,
    options: list[str] | None,
    **more: Any,
) -> OfferQuery:
    """The offers that the flags of a command name."""
    from gpuledger.core.spec import parse_spec
    from gpuledger.core.store.offers import OfferQuery

    named = None if spec is None else parse_spec(spec)
    return OfferQuery(
        gpu_ids=named.gpu_ids if named else None,
        min_gpu_count=named.min_count if named else None,
        max_gpu_count=named.max_count if named else None,
        providers=providers or (),
        regions=(region,) if region else (),
        tiers=tiers or (),
        purchase_options=options or (),
        **more,
    )


def provider_hints(connection: duckdb.DuckDBPyConnection, named: list[str] | None) -> list[str]:
    """A line for each provider that the ledger does not know, with the nearest that it does."""
    import difflib

    from gpuledger.core.store import sql

    if not named:
        return []
    known: list[str] = [row["provider"] for row in sql.rows(connection, "queries/providers")]
    hints: list[str] = []
    for name in named:
        if name not in known:
            nearest = difflib.get_close_matches(name.lower(), known, n=3) or known
            hints.append(f"no provider {name!r} here; did you mean {', '.join(nearest)}?")
    return hints


def lapsed_hint(
    connection: duckdb.DuckDBPyConnection, query: OfferQuery, *, at: datetime, as_of: datetime | None
) -> list[str]:
    """A line where only lapsed prices match."""
    from dataclasses import replace

    from gpuledger.core.store.offers import page
    from gpuledger.core.validity import LAPSED

    found = page(connection, replace(query, states=(LAPSED,), max_rows=1), at=at, as_of=as_of)
    return [f"only lapsed prices match ({found.total}); --state lapsed lists them"] if found.total else []


def _decimal(text: str | None, flag: str) -> Decimal | None:
    if text is None:
        return None
    from gpuledger.core.money import decimal_from

    try:
        return decimal_from(text)
    except ValueError:
        raise UsageError(f"{flag}: {text!r} is no amount, as in 2.50") from None


def offers(
    gpu: Annotated[
        str | None,
        typer.Option(
            "--gpu",
            "-g",
            help="SPEC: [vendor:]NAME[:MEMORY][:COUNT].",
            autocompletion=completion.accelerators,
        ),
    ] = None,
    provider: Providers = None,
    region: Region = None,
    tier: Tiers = None,
    spot: Spot = False,
    on_demand: OnDemand = False,
    reserved: Reserved = False,
    max_price: Annotated[str | None, typer.Option(help="Most US dollars per GPU-hour.")] = None,
    min_gpu_memory: Annotated[float | None, typer.Option(help="Least GiB of one GPU.")] = None,
    source: Annotated[list[str] | None, typer.Option(help="Only from this source; repeat.")] = None,
    state: Annotated[
        list[str] | None,
        typer.Option(
            help="Only fresh, stale, unlisted, sold_out, lapsed or recorded prices; default all but lapsed."
        ),
    ] = None,
    as_of: AsOf = None,
    limit: Limit = None,
    format: FormatOption = None,
) -> None:
    """List offers, the most reliable prices first, then the cheapest per GPU-hour, with age and stock."""
    with context.answering():
        from gpuledger.core.store.offers import offers as look_up
        from gpuledger.core.validity import ALL_STATES, LAPSED

        past = context.instant(as_of, "--as-of")
        at = past or context.now()
        options = purchase_options(spot=spot, on_demand=on_demand, reserved=reserved)
        query = offer_query(
            gpu,
            provider,
            region,
            tier,
            options,
            max_usd_per_gpu_hour=_decimal(max_price, "--max-price"),
            min_gpu_memory_gib=min_gpu_memory,
            sources=source or (),
            states=state or [name for name in ALL_STATES if name != LAPSED],
            max_rows=limit,
        )
        with context.snapshot() as connection:
            found = look_up(connection, query, at=at, as_of=past)
            hints = [] if found else provider_hints(connection, provider)
            lapsed = [] if found or state else lapsed_hint(connection, query, at=at, as_of=past)
        _emit_offers(found, at, format, [{} for _ in found])
        if not found:
            for remark in hints or lapsed or ["no offer matches"]:
                context.say(remark)
            raise typer.Exit(context.NOTHING)


def cheapest(
    spec: Annotated[
        str,
        typer.Argument(
            help="[vendor:]NAME[:MEMORY][:COUNT], as in H100-SXM:8.", autocompletion=completion.accelerators
        ),
    ],
    provider: Providers = None,
    region: Region = None,
    tier: Tiers = None,
    spot: Spot = False,
    on_demand: OnDemand = False,
    reserved: Reserved = False,
    as_of: AsOf = None,
    allow_stale: AllowStale = False,
    limit: Limit = None,
    format: FormatOption = None,
) -> None:
    """The cheapest offer of each provider per GPU-hour, on-demand unless asked otherwise."""
    with context.answering():
        from gpuledger.core.cheapest import cheapest_by_provider
        from gpuledger.core.store.offers import offers as look_up

        past = context.instant(as_of, "--as-of")
        at = past or context.now()
        options = purchase_options(spot=spot, on_demand=on_demand, reserved=reserved) or ["on_demand"]
        query = offer_query(spec, provider, region, tier, options)
        with context.snapshot() as connection:
            found = look_up(connection, query, at=at, as_of=past)
            hints = [] if found else provider_hints(connection, provider)
        answer = cheapest_by_provider(found, at=at, allow_stale=allow_stale)
        ranked = answer.ranking[:limit]
        extra: list[dict[str, Any]] = [
            {"rank": rank, "note": entry.note} for rank, entry in enumerate(ranked, start=1)
        ]
        _emit_offers([entry.offer for entry in ranked], at, format, extra)
        for remark in hints or answer.remarks:
            context.say(remark)
        if not ranked:
            raise typer.Exit(context.NOTHING)


def history(
    spec: Annotated[
        str, typer.Argument(help="[vendor:]NAME[:MEMORY][:COUNT].", autocompletion=completion.accelerators)
    ],
    provider: Providers = None,
    region: Region = None,
    tier: Tiers = None,
    spot: Spot = False,
    on_demand: OnDemand = False,
    reserved: Reserved = False,
    since: Annotated[str | None, typer.Option("--from", help="First date or time.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Last date or time.")] = None,
    every: Annotated[str | None, typer.Option(help="Sample so often: 1h, 1d, 1w, 1mo.")] = None,
    stat: Annotated[str, typer.Option(help="min or median, with --every.")] = "min",
    plot: Annotated[Path | None, typer.Option(help="Draw the samples: .svg, .png, .html or .json.")] = None,
    limit: Limit = None,
    format: FormatOption = None,
) -> None:
    """Prices over time: one row per offer and interval, or one per sample with --every."""
    with context.answering():
        from gpuledger.core.store.history import interval, price_intervals, price_series

        options = purchase_options(spot=spot, on_demand=on_demand, reserved=reserved)
        query = offer_query(spec, provider, region, tier, options, max_rows=limit)
        start, stop = context.instant(since, "--from"), context.instant(until, "--to")
        every = every or ("1d" if plot is not None else None)
        if start and stop and start > stop:
            raise UsageError(f"--from: {since!r} is after --to {until!r}")
        with context.snapshot() as connection:
            if every is None:
                rows = price_intervals(connection, query, since=start, until=stop, now=context.now())
            else:
                step = interval(every)
                rows = price_series(
                    connection, query, since=start, until=stop or context.now(), every=step, stat=stat
                )
        table.emit(rows, format, columns=HISTORY_COLUMNS if every is None else None)
        if not rows:
            context.say("no price in that time")
            raise typer.Exit(context.NOTHING)
        if every is not None:
            _draw(rows, plot, f"{spec}, {stat} over offers")


def _draw(rows: list[dict[str, Any]], plot: Path | None, title: str) -> None:
    import sys

    from gpuledger.cli.plot import sparkline, write_plot

    if sys.stdout.isatty():
        context.say(sparkline([float(row["usd_per_gpu_hour"]) for row in rows]))
    if plot is not None:
        write_plot(rows, plot, title=title)


def _listing(query: str, format: Format | None, columns: Sequence[Column] | None = None) -> None:
    with context.answering():
        from gpuledger.core.store import sql

        with context.snapshot() as connection:
            table.emit(sql.rows(connection, query), format, columns=columns)


def gpus(format: FormatOption = None) -> None:
    """Accelerators with offers, their memory and cheapest price."""
    _listing("queries/gpus", format, GPU_COLUMNS)


def providers(format: FormatOption = None) -> None:
    """Providers with the number of their offers and the age of their prices."""
    _listing("queries/providers", format, PROVIDER_COLUMNS)


def regions(format: FormatOption = None) -> None:
    """Regions with offers, their country and continent."""
    _listing("queries/regions", format)


def run_sql(
    query: Annotated[str, typer.Argument(help="One read-only query, or - for standard input.")],
    format: FormatOption = None,
    timeout: Annotated[float, typer.Option(help="Seconds until the query is stopped.")] = 60.0,
) -> None:
    """Run read-only SQL on the newest snapshot: no files, no extensions, no settings."""
    with context.answering():
        import sys

        from gpuledger.core.store.sandbox import run_query

        if not 0 < timeout <= 3600:
            raise UsageError(f"--timeout: {timeout:g} is not between 0 and 3600 seconds")
        text = sys.stdin.read() if query == "-" else query
        home = context.settings().home
        try:
            rows = run_query(home, text, timeout_seconds=timeout)
        except (EmptyLedgerError, OutdatedError) as error:
            context.make_readable(error)
            rows = run_query(home, text, timeout_seconds=timeout)
        table.emit(rows, format)

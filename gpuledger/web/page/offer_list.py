"""The prices page: filters of an address in, a page of offers with counted choices out; and the same as files."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from gpuledger.core.errors import GPULedgerError, UsageError
from gpuledger.core.spec import Spec, parse_spec
from gpuledger.core.store.offers import OfferQuery
from gpuledger.ledger import Ledger
from gpuledger.web.page import svg
from gpuledger.web.page.frame import Made, snapshot_cache
from gpuledger.web.page.state import (
    Elsewhere,
    PageState,
    command_line,
    inputs_of,
    nearest_links,
    sql_text,
    sql_time,
)
from gpuledger.web.parameters import Cursor, OfferParameters, question_checksum, read_cursor
from gpuledger.web.problems import kind_of
from gpuledger.web.responses import (
    TYPE_OF,
    csv_bytes,
    headers_of,
    json_bytes,
    ledger_of,
    parquet_bytes,
    sized,
)

PAGE_ROWS = 50
MOST_TICKED = 8
"""Accelerators that a word may tick; one for more stays a word."""
TREND = timedelta(days=30)
SORTS = {
    "gpu_id": "asc",
    "gpu_count": "desc",
    "gpu_memory_gib": "desc",
    "provider": "asc",
    "usd_per_gpu_hour": "asc",
    "usd_per_hour": "asc",
    "usd_per_peak_petaflop_hour": "asc",
    "usd_per_gib_hour": "asc",
    "region": "asc",
    "availability": "asc",
    "last_seen_at": "desc",
}
LISTS = ("provider", "region", "tier", "purchase_option", "price_state")
SINGLE = ("max_usd_per_gpu_hour", "min_gpu_memory", "order_by", "order_dir", "as_of", "cursor")
STATES = ("fresh", "recorded", "stale", "unlisted", "sold_out", "lapsed")
OPTIONS = {"on_demand": "On demand", "spot": "Spot", "reserved,capacity_block": "Reserved"}
CONTINENTS = {
    "EU": "Europe", "NA": "North America", "SA": "South America", "AS": "Asia", "OC": "Oceania", "AF": "Africa",
}  # fmt: skip


@dataclass(frozen=True)
class OfferForm:
    """What an address asks of the offers."""

    inputs: Mapping[str, str]
    state: str
    """Of the prices: one of `STATES`, or `any`."""
    spec: Spec | None
    parameters: OfferParameters

    @property
    def is_best(self) -> bool:
        """Whether each provider's best offer is shown alone."""
        return self.inputs.get("show", "best") != "all"

    def query(self, **more: Any) -> OfferQuery:
        """The offers that are meant."""
        return replace(self.parameters.page_query(**more), best_per_provider=self.is_best)


def read_offer_form(inputs: Mapping[str, str], state_to_begin_with: str) -> OfferForm:
    """The question in an address.

    Raises:
        UnknownGPUError: no such accelerator.
        UsageError: a field cannot be understood; names it.
    """
    state = inputs.get("price_state") or ("any" if inputs.get("as_of") else state_to_begin_with)
    show = inputs.get("show", "best")
    if show not in ("best", "all"):
        raise UsageError(f"show: {show[:40]!r} is none of best, all")
    values: dict[str, Any] = {name: inputs[name] for name in SINGLE if inputs.get(name)}
    values |= {name: [inputs[name]] for name in LISTS if inputs.get(name)}
    values.pop("price_state", None)
    if state != "any":
        values["price_state"] = [state]
    if inputs.get("gpu"):
        values["gpu"] = inputs["gpu"]
    if inputs.get("count"):
        values["min_gpu_count"] = values["max_gpu_count"] = inputs["count"]
    try:
        parameters = OfferParameters.model_validate({**values, "limit": PAGE_ROWS})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "filter"
        name = "count" if name in ("min_gpu_count", "max_gpu_count") else name
        if first["type"].endswith("_parsing"):
            raise UsageError(f"{name}: {str(first['input'])[:60]!r} is no number, as in 8 or 80") from None
        raise UsageError(f"{name}: {first['msg']}, got {str(first['input'])[:60]!r}") from None
    spec = parse_spec(parameters.gpu) if parameters.gpu else None
    return OfferForm(inputs, state, spec, parameters)


def offer_list(request: Request, state: PageState) -> Made:
    """Fifty offers at a time, beside what there is to choose."""
    begin = _state_to_begin_with(request)
    with ledger_of(request).pinned() as ledger:
        choices = choices_of(request, ledger)
    frame: dict[str, Any] = {
        "choices": choices, "states": STATES, "options": OPTIONS, "sorts": SORTS, "continents": CONTINENTS,
    }  # fmt: skip
    try:
        form = read_offer_form(state.inputs, begin)
        return _answer(request, state, form, frame)
    except GPULedgerError as error:
        if state.inputs.get("cursor"):
            raise
        # the form stays as it was filled in, with what is wrong beneath
        content: dict[str, Any] = {
            "wrong": str(error),
            "nearest": nearest_links(error, state),
            "facets": {}, "chosen": {}, "price_state": state.inputs.get("price_state") or begin,
            "is_best": state.inputs.get("show", "best") != "all", "rows": [], "total": 0,
        }  # fmt: skip
        with ledger_of(request).pinned() as ledger:
            return Made(ledger.edition, frame | content, Elsewhere(), kind_of(error)[0])


def _answer(request: Request, state: PageState, form: OfferForm, frame: dict[str, Any]) -> Made:
    inputs, parameters = state.inputs, form.parameters
    question = question_checksum((parameters.question(), form.is_best))
    after = None if parameters.cursor is None else read_cursor(parameters.cursor, question)
    query = form.query(skip_rows=0 if after is None else after.skip_rows)
    with ledger_of(request).pinned(None if after is None else after.snapshot) as ledger:
        edition, cache = ledger.edition, snapshot_cache(request)
        # first, as it reads the whole of a past day: the page's own offers are among them
        _, moment = ledger.past(parameters.as_of)
        name = ("facets", edition.version(moment), _facet_key(query), parameters.as_of)
        facets = cache.look_up(ledger, name, lambda: ledger.facets(query, as_of=parameters.as_of))
        rows = ledger.offer_page(query, as_of=parameters.as_of)
        # changes of a past month, or of the month before the snapshot and all since, stay what they are
        end_at = moment if parameters.as_of else min(moment, edition.published_at)
        until = moment if parameters.as_of else datetime.max.replace(tzinfo=UTC)
        trends = cache.look_up(
            ledger,
            ("trends", end_at, until, *(row["price_id"] for row in rows)),
            lambda: ledger.sparklines(rows, end_at - TREND, until),
        )
    _with_trends(rows, trends, moment)
    chosen = _chosen(form)
    end = query.skip_rows + len(rows)
    following = Cursor(edition.number, end, question).text() if end < rows.total else None
    content: dict[str, Any] = {
        "rows": rows,
        "total": rows.total,
        "remarks": rows.remarks,
        "first": query.skip_rows + 1 if rows else 0,
        "last": end,
        "facets": _facets(facets, chosen),
        "chosen": chosen,
        "price_state": form.state,
        "is_best": form.is_best,
        "order_by": parameters.order_by,
        "order_dir": parameters.order_dir,
        "next_address": None if following is None else state.here(cursor=following),
        "any_state_address": state.here(price_state="any", cursor=""),
        "best_address": state.here(show="", cursor=""),
        "all_address": state.here(show="all", cursor=""),
        "sort_address": partial(_sort, state, parameters),
        "files": [
            (kind, PageState(f"/prices.{kind.lower()}", inputs).here(cursor="", currency=""))
            for kind in ("CSV", "JSON", "Parquet")
        ],
        "nearest": [],
    }
    return Made(edition, frame | content, elsewhere(form, moment))


def offer_file(request: Request, kind: str) -> Response:
    """All offers of the page's question as `csv`, `json` or `parquet`, however many pages they fill."""
    inputs = inputs_of(request)
    inputs.pop("cursor", None)
    form = read_offer_form(inputs, _state_to_begin_with(request))
    with ledger_of(request).pinned() as ledger:
        rows = ledger.offer_page(replace(form.query(skip_rows=0), max_rows=None), as_of=form.parameters.as_of)
        edition = ledger.edition
    if kind == "json":
        content = json_bytes({"snapshot": edition.number, "as_of": rows.as_of, "total": rows.total,
                              "offers": [sized(row) for row in rows]})  # fmt: skip
    else:
        content = csv_bytes(rows) if kind == "csv" else parquet_bytes(rows)
    headers = headers_of(edition, ledger_of(request).clock()) | {
        "content-disposition": f'attachment; filename="prices-{edition.number:06d}.{kind}"',
        "x-total-count": str(rows.total),
    }
    return Response(content, headers=headers, media_type=TYPE_OF[kind])  # pyright: ignore[reportArgumentType]


def choices_of(request: Request, ledger: Ledger) -> dict[str, Any]:
    """Names to choose from: accelerators with offers, and providers."""

    def read() -> dict[str, Any]:
        gpus = [row for row in ledger.gpus() if row["offers"]]
        return {
            "gpus": gpus,
            "names": {row["gpu_id"]: row["name"] for row in gpus},
            "providers": [row["provider"] for row in ledger.providers()],
        }

    return snapshot_cache(request).look_up(ledger, "choices", read)


def _state_to_begin_with(request: Request) -> str:
    """Fresh prices: a page that begins with the cheapest would begin with those of years ago. All of them where
    none is fresh, as before the first refresh."""
    limits = request.app.state.pool.newest().fresh_limits
    return "fresh" if limits and limits[-1] >= ledger_of(request).clock() else "any"


def _facet_key(query: OfferQuery) -> str:
    return repr(
        replace(query, skip_rows=0, max_rows=None, order_by="best", descending=False, best_per_provider=False)
    )


def _facets(rows: list[dict[str, Any]], chosen: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    made: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        made.setdefault(row["facet"], []).append(row)
    counts = {row["value"]: row["offers"] for row in made.get("purchase_option", [])}
    made["purchase_option"] = [
        {"value": value, "offers": sum(counts.get(name, 0) for name in value.split(","))} for value in OPTIONS
    ]
    for name in ("gpu", "provider"):
        made[name] = sorted(
            _with_chosen(made, name, chosen[name]), key=lambda row: row["value"] not in chosen[name]
        )
    counts_chosen = {chosen["count"]} if chosen["count"].isdecimal() else set[str]()
    made["count"] = sorted(_with_chosen(made, "count", counts_chosen), key=lambda row: int(row["value"]))
    return made


def _with_chosen(facets: Mapping[str, Any], name: str, chosen: Collection[str]) -> list[dict[str, Any]]:
    """The values of a facet, and what is chosen though no offer is left of it: a box that is missing would be lost
    with the next choice."""
    rows = list(facets.get(name, []))
    there = {row["value"].lower() for row in rows}
    return rows + [
        {"facet": name, "value": value, "parent": None, "offers": 0} for value in sorted(set(chosen) - there)
    ]


def _chosen(form: OfferForm) -> dict[str, Any]:
    def pieces(name: str) -> set[str]:
        return {piece.strip().lower() for piece in form.inputs.get(name, "").split(",") if piece.strip()}

    spec, count = form.spec, form.inputs.get("count", "")
    if not count and spec is not None and spec.max_count is not None and spec.min_count == spec.max_count:
        count = f"{spec.max_count:g}"
    text, ids = form.inputs.get("gpu", "").strip(), set(spec.gpu_ids) if spec else set[str]()
    # A name is ticked and leaves the text, where it would outlast its box. A text with a memory or a count stands for
    # itself, as a ticked name beside it makes a list that nobody can read; so does a word for many.
    is_ticked = not (spec is None or ":" in text or (spec.min_count, spec.max_count) != (1, None)) and (
        len(ids) <= MOST_TICKED or ids == pieces("gpu")
    )
    return {
        "gpu": ids if is_ticked else set[str](),
        "typed": "" if is_ticked else text,
        "provider": pieces("provider"),
        "region": pieces("region"),
        "other_regions": sorted(pieces("region")),
        "option": _options_chosen(pieces("purchase_option")),
        "count": count,
    }


def _options_chosen(names: set[str]) -> set[str]:
    return {value for value in OPTIONS if set(value.split(",")) <= names}


def _sort(state: PageState, parameters: OfferParameters, column: str) -> str:
    direction = SORTS[column]
    if parameters.order_by == column:
        direction = "desc" if parameters.order_dir == "asc" else "asc"
    return state.here(order_by=column, order_dir=direction, cursor="")


def _with_trends(rows: list[dict[str, Any]], trends: Mapping[str, Any], moment: datetime) -> None:
    first, last = (moment - TREND).timestamp(), moment.timestamp()
    for row in rows:
        changes = [(when.timestamp(), float(amount)) for when, amount in trends.get(row["price_id"], [])]
        before = [change for change in changes if change[0] <= first]
        points = before[-1:] + [change for change in changes if first < change[0] <= last]
        # no change in that time: the price held all along
        constant = [(first, float(row["amount"]))] if row["valid_from"].timestamp() <= first else []
        row["trend"] = svg.spark_path(points or constant, first, last)


def elsewhere(form: OfferForm, moment: datetime) -> Elsewhere:
    """The same offers elsewhere."""
    inputs, parameters = form.inputs, form.parameters
    options = set(parameters.purchase_option)
    states = [] if form.state == "any" else [form.state]
    command = command_line(
        "offers",
        gpu=parameters.gpu,
        provider=parameters.provider,
        region=parameters.region,
        tier=parameters.tier,
        spot="spot" in options,
        on_demand="on_demand" in options,
        reserved="reserved" in options,
        min_gpu_count=inputs.get("count"),
        max_gpu_count=inputs.get("count"),
        max_price=parameters.max_usd_per_gpu_hour,
        min_gpu_memory=inputs.get("min_gpu_memory"),
        state=states,
        best_per_provider=form.is_best,
        order_by="" if parameters.order_by == "best" else parameters.order_by,
        descending=parameters.order_dir == "desc",
        as_of=inputs.get("as_of"),
    )
    named = {
        name: value for name, value in inputs.items() if name in ("gpu", *LISTS, *SINGLE) and name != "cursor"
    }
    named |= {"min_gpu_count": inputs.get("count", ""), "max_gpu_count": inputs.get("count", "")}
    named |= {"price_state": "".join(states), "best_per_provider": "true" if form.is_best else ""}
    return Elsewhere(command, PageState("/v1/offers", named).here(limit="1000"), _sql(form, moment))


def _sql(form: OfferForm, moment: datetime) -> str:
    parameters, spec = form.parameters, form.spec
    at = sql_time(moment)
    where: list[str] = []
    counts = [parameters.min_gpu_count, parameters.max_gpu_count]
    if spec is not None:
        where.append(f"gpu_id in ({', '.join(map(sql_text, spec.gpu_ids))})")
        counts = [
            counts[0] if counts[0] is not None else spec.min_count,
            counts[1] if counts[1] is not None else spec.max_count,
        ]
    if counts != [None, None]:
        low, high = ("null" if bound is None else f"{bound:g}" for bound in counts)
        where.append(f"sells_count(gpu_count, min_gpus, max_gpus, {low}, {high})")
    for column, values in (
        ("provider", parameters.provider),
        ("tier", parameters.tier),
        ("purchase_option", parameters.purchase_option),
    ):
        if values:
            where.append(f"{column} in ({', '.join(map(sql_text, values))})")
    if parameters.region:
        places = ", ".join(sql_text(name.lower()) for name in parameters.region)
        where.append(f"is_in_place([{places}], region, country, continent)")
    if parameters.max_usd_per_gpu_hour:
        where.append(f"usd_per_gpu_hour <= {parameters.max_usd_per_gpu_hour}")
    if parameters.min_gpu_memory is not None:
        where.append(f"gpu_memory_gib >= {parameters.min_gpu_memory:g}")
    state = f"price_state({at}, is_recorded, fresh_until, lapses_at, is_unlisted, availability)"
    where.append(f"{state} <> 'lapsed'" if form.state == "any" else f"{state} = {sql_text(form.state)}")
    source = f"offers_as_of({at})" if form.parameters.as_of else "offer_latest"
    best = (
        "qualify row_number() over (\n    partition by coalesce(gpu_id, gpu_label), provider, purchase_option\n"
        f"    order by state_rank({state}),\n    usd_per_gpu_hour nulls last, usd_per_hour, last_seen_at desc,\n"
        "    region, offer_id\n) = 1\n"
        if form.is_best
        else ""
    )
    order = (
        "usd_per_gpu_hour"
        if parameters.order_by in ("best", "usd_per_peak_petaflop_hour", "usd_per_gib_hour")
        else parameters.order_by
    )
    direction = " desc" if parameters.order_dir == "desc" else ""
    return (
        "select gpu_id, gpu_count, provider, instance_type, region, purchase_option,\n"
        f"    usd_per_gpu_hour, usd_per_hour, availability, last_seen_at, price_id\nfrom {source}\n"
        f"where {chr(10).join(('    and ' if number else '') + text for number, text in enumerate(where))}\n"
        f"{best}order by {order}{direction} nulls last, usd_per_hour, last_seen_at desc, provider, region, offer_id"
    )

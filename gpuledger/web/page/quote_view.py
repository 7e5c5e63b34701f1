"""The quote page: the answer first, then the ranking, and what takes longer: the frontier, what drives the cost,
what was left out, another plan or day beside it, and the receipt of each total."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from starlette.requests import Request

from gpuledger import formats
from gpuledger.core.cost.compare import compared, side_by_side
from gpuledger.core.cost.quote_set import QuoteSet
from gpuledger.core.errors import EstimateError, GPULedgerError, NoOfferError, UsageError
from gpuledger.ledger import Ledger
from gpuledger.web.page import svg
from gpuledger.web.page.frame import Made
from gpuledger.web.page.offer_list import choices_of
from gpuledger.web.page.quote_form import (
    FIELDS,
    FIRST_OPTIONS,
    METHODS,
    OPTION_FIELDS,
    PRESETS,
    PlanForm,
    is_asked,
    plan_of_fields,
    read_form,
)
from gpuledger.web.page.state import (
    Elsewhere,
    PageState,
    address,
    command_line,
    nearest_links,
    sql_text,
    sql_time,
)
from gpuledger.web.problems import kind_of
from gpuledger.web.responses import json_bytes, ledger_of

SHOWN = 10
PROVIDERS = 40
"""Most providers of the ranking."""
LEFT_OUT = 200
"""Rows of what was left out that the page lists."""


def quote_page(request: Request, state: PageState) -> Made:
    """The form, and the answer once something is asked."""
    inputs = state.inputs
    form_parts = {
        "found": None,
        "fields": inputs,
        "methods": METHODS,
        "first_options": [option for option in OPTION_FIELDS if option.name in FIRST_OPTIONS],
        "options": [option for option in OPTION_FIELDS if option.name not in FIRST_OPTIONS],
        "presets": [(name, state.to("/quote", **fields)) for name, fields in PRESETS],
        "is_folded": not any(
            inputs.get(option.name) for option in OPTION_FIELDS if option.name not in FIRST_OPTIONS
        ),
    }
    with ledger_of(request).pinned() as ledger:
        content = form_parts | {"choices": choices_of(request, ledger)}
        if not is_asked(inputs):
            return Made(ledger.edition, content)
        try:
            form = read_form(inputs)
            answer = ledger.quote(form.plan, **form.options_with(limit=SHOWN if _is_every(inputs) else 1))
        except GPULedgerError as error:
            # beside the form, so that nobody has to fill it in again
            content |= {"wrong": str(error), "nearest": nearest_links(error, state)}
            return Made(ledger.edition, content, Elsewhere(), kind_of(error)[0])
        return Made(ledger.edition, content | _answer(ledger, state, form, answer), elsewhere(form, answer))


def _answer(ledger: Ledger, state: PageState, form: PlanForm, answer: QuoteSet) -> dict[str, Any]:
    document = answer.to_dict()
    quotes = document["quotes"]
    estimate = answer.quotes[0].purchase.option.estimate
    memory = {
        name.replace("_", " "): float(gib)
        for name, gib in (asdict(estimate.memory_gib) if estimate.memory_gib else {}).items()
        if gib and name not in ("total", "least", "low", "high")
    }
    card = float(estimate.gpu_memory_gib or 0)
    bar, card_end = svg.memory_bar(memory, card) if memory else ([], 0.0)
    question = {name: state.inputs.get(name, "") for name in FIELDS}
    return {
        "found": document,
        "best": document["quotes"][0],
        "quotes": list(zip(quotes, svg.whiskers(quotes), strict=True)),
        "is_every": _is_every(state.inputs),
        "switch": (state.here(each=""), state.here(each="all")),
        "estimate": estimate,
        "memory": bar,
        "memory_total": sum(memory.values()),
        "card_gib": card,
        "card_end": card_end,
        "ways": _ways(ledger, form, answer),
        "receipt_of": _receipts(state),
        "late": {
            name: address(f"/quote/{name}", question | {"currency": state.inputs.get("currency", "")})
            for name in ("providers", "frontier", "drivers", "left-out")
        },
        "files": [
            (name, address(f"/quote.{kind}", question))
            for name, kind in (("Markdown", "md"), ("CSV", "csv"), ("Plan as TOML", "toml"), ("Lock", "lock"))
        ],
        "question": question,
    }


def _is_every(inputs: Mapping[str, str]) -> bool:
    """Whether the ranking has all offers, and not one of each provider."""
    return inputs.get("each") == "all"


def _ways(ledger: Ledger, form: PlanForm, answer: QuoteSet) -> list[str]:
    """The nearest ways to keep a limit that the answer misses."""
    ways: list[str] = []
    if answer.budget is not None and not answer.budget.passes:
        share = float(answer.budget.limit / answer.budget.value) if answer.budget.value else 0.0
        tokens = form.plan.total_tokens
        data = "" if tokens is None else f", some {formats.count(tokens * share)} tokens in all"
        ways.append(
            f"Nearest way to the budget: about {100 * share:.0f} % of the training{data}; or a smaller model or QLoRA."
        )
        if not any(row.purchase.offer.purchase_option == "spot" for row in answer.quotes):
            try:
                spot = ledger.quote(form.plan, **form.options_with(limit=1, purchase_option="spot"))
                ways.append(
                    f"On spot it would come to {spot.mid} USD at {spot.quotes[0].purchase.offer.provider}."
                )
            except GPULedgerError:
                pass
    if answer.deadline is not None and not answer.deadline.passes:
        free = {name: value for name, value in form.options.items() if name not in ("max_gpus", "max_nodes")}
        try:
            fastest = min(ledger.frontier(form.plan, **free), key=lambda point: point.hours)
            row = fastest.to_dict()
            ways.append(
                f"The fastest way takes {fastest.hours:,.1f} h: {row['gpus']} x {row['gpu_id']} at {row['provider']},"
                f" {fastest.usd:,.2f} USD."
            )
        except GPULedgerError:
            pass
    return ways


def providers(request: Request, state: PageState) -> Made:
    """The best of each provider; it looks at offers of all of them, so the page asks for it afterwards."""
    form = read_form(state.inputs)
    with ledger_of(request).pinned() as ledger:
        document = ledger.quote_by_provider(form.plan, **form.options_with(limit=PROVIDERS)).to_dict()
        return Made(
            ledger.edition,
            {
                "quotes": list(zip(document["quotes"], svg.whiskers(document["quotes"]), strict=True)),
                "receipt_of": _receipts(state),
                "choices": choices_of(request, ledger),
            },
            elsewhere(form),
        )


def _receipts(state: PageState) -> Callable[[str], str]:
    """The address of the receipt of a quote."""
    question = {name: state.inputs.get(name, "") for name in FIELDS}
    return lambda quote_id: address("/quote/receipt", {**question, "id": quote_id})


def frontier_page(request: Request, state: PageState) -> Made:
    """The frontier alone; it looks at many more offers than the ranking, so the page asks for it afterwards."""
    form = read_form(state.inputs)
    with ledger_of(request).pinned() as ledger:
        points = [point.to_dict() for point in ledger.frontier(form.plan, **form.options)]
        for point in points:
            point["href"] = _receipt_address(state, point)
        return Made(
            ledger.edition,
            {"points": points, "scatter": svg.scatter(points), "plot": svg.PLOT},
            elsewhere(form),
        )


def _receipt_address(state: PageState, point: Mapping[str, Any]) -> str:
    """The receipt of one way: the question narrowed to its offer, at least as fast and on no more GPUs."""
    question = {name: state.inputs.get(name, "") for name in FIELDS}
    narrow = {
        "provider": point["provider"],
        "purchase_option": point["purchase_option"],
        "gpu": point["gpu_id"],
        "max_gpus": point["gpus"],
        "deadline_hours": f"{float(point['wall_hours']) * 1.0001 + 0.0001:.6f}",
    }
    return address("/quote/receipt", {**question, **narrow, "price_id": point["price_id"]})


def drivers(request: Request, state: PageState) -> Made:
    """What drives the cost, and what would lower it."""
    form = read_form(state.inputs)
    options = {name: value for name, value in form.options.items() if name != "limit"}
    with ledger_of(request).pinned() as ledger:
        return Made(
            ledger.edition, {"drivers": ledger.drivers(form.plan, draws=4_000, **options)}, elsewhere(form)
        )


def left_out_page(request: Request, state: PageState) -> Made:
    """Offers that the quote leaves out, by provider, accelerator and reason."""
    form = read_form(state.inputs)
    with ledger_of(request).pinned() as ledger:
        rows = ledger.left_out(form.plan, **form.options)
        total = sum(row["offers"] for row in rows)
        return Made(
            ledger.edition, {"rows": rows[:LEFT_OUT], "all_rows": len(rows), "total": total}, elsewhere(form)
        )


def comparison(request: Request, state: PageState) -> Made:
    """Two plans, or one plan on two days, side by side; what differs is marked."""
    form = read_form(state.inputs)
    other_fields = {
        **form.fields,
        **{
            name: state.inputs[f"other_{name}"]
            for name in ("model", "method", "data", "epochs", "sequence_length")
            if state.inputs.get(f"other_{name}")
        },
    }
    if not any(
        state.inputs.get(f"other_{name}")
        for name in ("model", "method", "data", "epochs", "sequence_length", "as_of")
    ):
        raise UsageError(
            "other: say what else: other_model, other_method, other_data, other_epochs or other_as_of"
        )
    other_plan = (
        form.plan
        if form.fields["plan"] and not state.inputs.get("other_model")
        else plan_of_fields(other_fields)
    )
    other_day = state.inputs.get("other_as_of") or form.options["as_of"]
    with ledger_of(request).pinned() as ledger:
        answers: list[tuple[str, QuoteSet | str]] = []
        for plan, as_of in ((form.plan, form.options["as_of"]), (other_plan, other_day)):
            name = f"{plan.name}, {str(as_of)[:10] if as_of else 'today'}"
            try:
                answers.append((name, ledger.quote(plan, **form.options_with(as_of=as_of, limit=1))))
            except EstimateError as error:
                answers.append((name, str(error)))
        rows = compared(answers)
        columns = [row["plan"] for row in rows]
        if columns[0] == columns[1]:
            rows = [row | {"plan": f"{row['plan']} ({number})"} for number, row in enumerate(rows, 1)]
            columns = [row["plan"] for row in rows]
        plans = [form.plan_keys, other_plan.model_dump(mode="json", exclude_unset=True)]
        return Made(
            ledger.edition,
            {
                "lines": side_by_side(rows),
                "columns": columns,
                "errors": [row["error"] for row in rows if row["error"]],
                "back": address("/quote", form.fields),
            },
            Elsewhere(
                command_line("compare", "plan.toml", "other.toml"),
                address("/v1/compare"),
                prices_sql(
                    [
                        (answer, as_of)
                        for (_, answer), as_of in zip(
                            answers, (form.options["as_of"], other_day), strict=True
                        )
                        if not isinstance(answer, str)
                    ]
                ),
                body=json_bytes({"plans": plans}).decode(),
            ),
        )


def quote_receipt(request: Request, state: PageState) -> Made:
    """One total with its lines, what each is from, and the chain to the archived bytes. It prints on a page."""
    inputs = state.inputs
    with ledger_of(request).pinned() as ledger:
        row = _found_quote(ledger, inputs)
        question = {name: inputs.get(name, "") for name in FIELDS}
        return Made(
            ledger.edition,
            {"quote": row, "back": address("/quote", question) if is_asked(inputs) else address("/quote")},
            Elsewhere(
                command_line("explain", row["quote_id"]), address(f"/v1/quotes/{row['quote_id']}/receipt")
            ),
        )


def _found_quote(ledger: Ledger, inputs: Mapping[str, str]) -> dict[str, Any]:
    """The quote as it was given, or asked for again where it was not saved here."""
    quote_id, price_id = inputs.get("id", ""), inputs.get("price_id", "")
    if quote_id:
        try:
            return ledger.saved_quote(quote_id)
        except NoOfferError:
            if not is_asked(inputs):
                raise
    form = read_form(inputs)
    question = form.options_with(limit=PROVIDERS)
    answers = (ledger.quote(form.plan, **question), ledger.quote_by_provider(form.plan, **question))
    for one in (one for answer in answers for one in answer.quotes):
        if quote_id == one.quote_id or (price_id and one.purchase.offer.price_id == price_id):
            return {"plan": form.plan.name, **one.to_dict()}
    if not quote_id and not price_id:
        raise UsageError("id: a receipt is of one quote; its ranking links to it")
    raise NoOfferError(
        f"receipt: {(quote_id or price_id)[:80]!r} is not among the answers of now: prices have moved since, or the"
        " address was cut"
    )


def prices_sql(answers: Sequence[tuple[QuoteSet, Any]]) -> str:
    """The offers that the best quotes stand on, each answer with the past time that was asked about or nothing; hours
    and totals are no matter of SQL."""
    parts: list[str] = []
    for answer, past in answers:
        ids = ", ".join(sql_text(one.purchase.offer.price_id) for one in answer.quotes)
        relation = f"offers_as_of({sql_time(answer.as_of)})" if past else "offer_latest"
        parts.append(
            "select price_id, provider, instance_type, region, purchase_option, usd_per_gpu_hour, last_seen_at\n"
            f"from {relation}\nwhere price_id in ({ids})"
        )
    return "\nunion\n".join(dict.fromkeys(parts)) + "\norder by usd_per_gpu_hour, price_id" if parts else ""


def elsewhere(form: PlanForm, answer: QuoteSet | None = None) -> Elsewhere:
    """The same quote elsewhere."""
    options = {name: value for name, value in form.given_options.items() if name != "as_of"}
    flags: dict[str, Any] = {}
    for option in OPTION_FIELDS:
        value = options.get(option.name)
        if value and option.flag:
            flags[option.flag.removeprefix("--")] = value
    bought = str(options.get("purchase_option", ""))
    if bought:
        flags["reserved" if bought in ("reserved", "capacity_block") else bought.replace("_", "-")] = True
    flags["as-of"] = form.options["as_of"]
    rest = {name: "true" if value is True else value for name, value in form.given_options.items()}
    return Elsewhere(
        command=command_line("quote", "plan.toml", **flags),
        rest=address("/v1/quotes", rest),
        sql="" if answer is None else prices_sql([(answer, form.options["as_of"])]),
        body=json_bytes(form.plan_keys).decode(),
    )

"""A quote as a file: a report, a table, the plan, or the lock of its prices."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from gpuledger.plan_files import toml_text
from gpuledger.web.page.quote_form import read_form
from gpuledger.web.page.state import inputs_of
from gpuledger.web.responses import csv_bytes, headers_of, json_bytes, ledger_of

TYPES = {
    "csv": "text/csv",
    "md": "text/markdown",
    "toml": "application/toml",
    "lock": "application/json",
    "json": "application/json",
}
MOST_QUOTES = 100


def quote_file(request: Request, kind: str) -> Response:
    """The answer to the question in the address, as `csv`, `md`, `json`, or its plan as `toml`, or the `lock`."""
    form = read_form(inputs_of(request))
    with ledger_of(request).pinned() as ledger:
        if kind == "md":
            text = ledger.report(form.plan, kind="md", **form.options)
        elif kind == "toml":
            text = toml_text(form.plan_keys)
        elif kind == "lock":
            text = ledger.lock(form.plan, **form.options)
        else:
            answer = ledger.quote(form.plan, **form.options_with(limit=MOST_QUOTES)).to_dict()
            text = csv_bytes(answer["quotes"]).decode() if kind == "csv" else json_bytes(answer).decode()
        headers = headers_of(ledger.edition, ledger.clock())
    name = "".join(
        character if character.isalnum() or character in "-." else "-" for character in form.plan.name[:60]
    )
    headers["content-disposition"] = f'attachment; filename="{name or "plan"}.{kind}"'
    return Response(text, headers=headers, media_type=f"{TYPES[kind]}; charset=utf-8")

"""Answers of the MCP server as a model reads them: one compact text of JSON, without what is empty, each text printable
and short; a ranking in few characters."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, ParamSpec, cast

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import ValidationError

from gpuledger import formats
from gpuledger.core.errors import GPULedgerError
from gpuledger.mcp_schema import QUOTE_KEYS

LONGEST = 500
"""Characters of one text; addresses of real sources have up to 300."""
ROWS = 400
"""Rows of one answer at most; a text says how many were cut off."""

MOST_OF_QUOTE = 1_500
"""Characters of a quote whose length nobody asked for."""
SHORT_WARNING = 90

P = ParamSpec("P")
Answer = Mapping[str, Any]


def answering_text(question: Callable[P, Answer]) -> Callable[P, str]:
    """Our errors as tool errors with their one clear line, and answers as one compact text without strangers' control
    characters."""

    @wraps(question)
    def answer(*args: P.args, **kwargs: P.kwargs) -> str:
        try:
            plain = json.loads(formats.json_text(dict(question(*args, **kwargs))))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise ToolError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        except GPULedgerError as error:
            raise ToolError(formats.clean(str(error), LONGEST)) from None
        return _compact(plain)

    answer.__annotations__ = {**question.__annotations__, "return": str}
    return answer


def _compact(content: Mapping[str, Any]) -> str:
    return json.dumps(calmed(content), ensure_ascii=False, separators=(",", ":"), default=formats.plain)


def calmed(value: Any, key: str = "") -> Any:
    """The answer with every text printable and short, because who reads it may do what a text says, and without what is
    empty. A lock is whole: it is read back."""
    if isinstance(value, str):
        return value if key in ("lock", "report") else formats.clean(value, LONGEST)
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value).items()
        return {name: calmed(one, name) for name, one in pairs if one not in (None, [], {}, "")}
    if isinstance(value, list):
        return [calmed(one) for one in cast("list[Any]", value)]
    return value


def short(rows: Sequence[Mapping[str, Any]], keys: Sequence[str] = ()) -> list[dict[str, Any]]:
    return [{key: row[key] for key in keys or row if row.get(key) is not None} for row in rows[:ROWS]]


def in_rows(name: str, rows: Sequence[Mapping[str, Any]], keys: Sequence[str] = ()) -> dict[str, Any]:
    """Rows under a name, with what is said of them."""
    cut = max(len(rows) - ROWS, 0)
    remarks = list(getattr(rows, "remarks", ()))
    return {name: short(rows, keys), "rows_cut": cut or None, "remarks": remarks}


def lock_text(lock: str | dict[str, Any] | None) -> str | None:
    """A lock as its text; clients read texts that look like JSON before they send them."""
    return json.dumps(lock) if isinstance(lock, dict) else lock


def at_most(quotes: int, options: Mapping[str, Any]) -> dict[str, Any]:
    """So many quotes unless the options say otherwise."""
    return {"limit": quotes, **options}


def quote_text(answer: Mapping[str, Any], most: int | None = MOST_OF_QUOTE) -> dict[str, Any]:
    """A ranking in few characters: each quote in one object, lines of the best alone.

    Args:
        most: characters; warnings are shortened and then the last quotes left out, and counted, until it keeps them.
    """
    best = answer["quotes"][0]
    lines = {line["name"]: line["usd"] for line in best["lines"] if line["usd"] not in (None, "0.00")}
    quotes = [
        {key: quote[key] for key in QUOTE_KEYS}
        | {
            "usd": quote["usd_total"]["mid"],
            "usd_range": f"{quote['usd_total']['low']}..{quote['usd_total']['high']}",
            "hours": round(quote["wall_hours"]["mid"], 2),
            "price_age_hours": round(quote["price_age_hours"]),
            "gpus": f"{quote['paid_gpus']} x {quote['gpu_id']}",
        }
        for quote in answer["quotes"]
    ]
    verdicts = {name: answer[name] for name in ("deadline", "budget")}
    content: dict[str, Any] = {
        "plan": answer["plan"],
        "as_of": re.sub(r"\.\d+", "", answer["as_of"]),
        "quotes": quotes,
        "best_lines_usd": lines,
        "best_source": best["receipt"]["source_url"],
        **verdicts,
        "overruled": answer["overruled"],
        "warnings": [formats.clean(text, 120) for text in answer["warnings"][:2]],
        "excluded": sum(row["count"] for row in answer["excluded"]) or None,
    }
    while most is not None and len(_compact(content)) > most and len(quotes) > 1:
        if any(len(text) > SHORT_WARNING for text in content["warnings"]):
            content["warnings"] = [formats.clean(text, SHORT_WARNING) for text in content["warnings"]]
        else:
            quotes.pop()
            content["quotes_cut"] = content.get("quotes_cut", 0) + 1
    return content

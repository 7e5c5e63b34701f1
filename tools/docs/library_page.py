"""`docs/library.md`, written from `gpuledger.Ledger`: `python -m tools.docs.library_page > docs/library.md`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from gpuledger import Ledger, gpuhunt
from gpuledger.core.cost.options import QuoteOption, QuoteOptions, quote_options
from gpuledger.core.store.offers import OfferQuery
from gpuledger.questions.actuals import Actuals
from gpuledger.questions.decisions import Decisions
from gpuledger.questions.index import IndexQuestions
from gpuledger.questions.market import MarketQuestions
from gpuledger.questions.outlook import Outlook
from gpuledger.questions.over_time import PlansOverTime
from gpuledger.questions.plans import PlanQuestions
from gpuledger.questions.prices import PriceQuestions
from gpuledger.questions.reader import LedgerReader, OwnTerms, Rows
from gpuledger.questions.runs import OwnRuns
from gpuledger.questions.serving import Serving

HEAD = """# Python API

Written from `gpuledger.Ledger` by `make docs`; a test holds it to that. [Python](python.md) shows it at work.

Every method reads the newest snapshot of a home, `GPULEDGER_HOME` unless `Ledger(home)` names another, and never the
network. Where there is no ledger yet, the first question starts one from the bundled price list and history. Times are
datetimes or ISO 8601 text, UTC without an offset; names are one or several. A plan is a `TrainingPlan`, its keys, the
name of a preset, or TOML or JSON text.
"""
GROUPS: dict[str, type] = {
    "Prices": PriceQuestions,
    "The market": MarketQuestions,
    "The price index": IndexQuestions,
    "Plans": PlanQuestions,
    "Plans at past times": PlansOverTime,
    "Decisions": Decisions,
    "What may come of a plan": Outlook,
    "What was paid": Actuals,
    "Serving": Serving,
    "Own runs": OwnRuns,
    "Own terms and measured runs": OwnTerms,
    "The ledger itself": LedgerReader,
}


def page() -> str:
    """The page as Markdown: the class, its questions by group, then options, filters and gpuhunt's keywords."""
    parts = [HEAD, f"\n## Ledger\n\n{_told(Ledger)}\n"]
    for heading, owner in GROUPS.items():
        parts.append(f"\n## {heading}\n")
        parts += [_question(name, method) for name, method in questions(owner).items()]
    parts.append(_question("connect", Ledger.connect))
    parts += [_options(), _filters(), _rows(), _gpuhunt()]
    return "".join(parts)


def questions(owner: type) -> dict[str, Callable[..., Any]]:
    """The public methods that a class adds."""
    return {
        name: one for name, one in vars(owner).items() if inspect.isfunction(one) and not name.startswith("_")
    }


def _question(name: str, method: Callable[..., Any]) -> str:
    signature = inspect.signature(method)
    shown = [one for one in signature.parameters.values() if one.name != "self"]
    text = str(signature.replace(parameters=shown)).replace("'", "")
    return f"\n### {name}\n\n```\n{name}{text}\n```\n\n{_told(method)}\n"


def _options() -> str:
    rows = "".join(_option_row(option) for option in quote_options())
    head = "| Field | At REST, MCP and the page | On the command line | Says | If left out |\n|---|---|---|---|---|\n"
    return f"\n## QuoteOptions\n\n{_told(QuoteOptions)}\n\n{head}{rows}"


def _option_row(option: QuoteOption) -> str:
    flag = f"`{option.flag}`" if option.flag else "`--spot` `--on-demand` `--reserved`"
    left_out = option.default_text.removeprefix("default: ")
    return f"| `{option.field}` | `{option.name}` | {flag} | {option.help} | {left_out} |\n"


def _filters() -> str:
    rows = "".join(f"| `{one.name}` | {_code(one.type)} |\n" for one in fields(OfferQuery))
    return f"\n## OfferQuery\n\n{_told(OfferQuery)}\n\n| Field | Type |\n|---|---|\n{rows}"


def _rows() -> str:
    methods = [f"- `{name}()`: {_told(member)}" for name, member in questions(Rows).items()]
    return f"\n## Rows\n\n{_told(Rows)}\n\n" + "\n".join(methods) + "\n"


def _gpuhunt() -> str:
    text = str(inspect.signature(gpuhunt.offers)).replace("'", "")
    rows = "".join(f"| `{one.name}` | {_code(one.type)} |\n" for one in fields(gpuhunt.CatalogOffer))
    return (
        f"\n## gpuhunt's keywords\n\n```\ngpuledger.gpuhunt.offers{text}\n```\n\n{_told(gpuhunt.offers)}\n"
        f"\n### CatalogOffer\n\n{_told(gpuhunt.CatalogOffer)}\n\n| Field | Type |\n|---|---|\n{rows}"
    )


def _told(what: Any) -> str:
    """The docstring as paragraphs; arguments and errors as lists."""
    paragraphs: list[str] = []
    for paragraph in (inspect.getdoc(what) or "").split("\n\n"):
        head, _, rest = paragraph.partition("\n")
        if head in ("Args:", "Raises:"):
            entries = [line.partition(": ") for line in _entries(rest)]
            lines = [f"- `{name}`: {why}" for name, _, why in entries]
            paragraphs.append(("Raises:" if head == "Raises:" else "Arguments:") + "\n\n" + "\n".join(lines))
        elif head.startswith("    "):
            paragraphs.append("```\n" + inspect.cleandoc(paragraph) + "\n```")
        else:
            paragraphs.append(" ".join(paragraph.split()))
    return "\n\n".join(paragraphs)


def _entries(text: str) -> list[str]:
    """The entries of a section, each with its wrapped lines joined."""
    entries: list[str] = []
    for line in text.splitlines():
        if line.startswith("    ") and not line.startswith("     "):
            entries.append(line.strip())
        else:
            entries[-1] += f" {line.strip()}"
    return entries


def _code(annotation: Any) -> str:
    text = annotation if isinstance(annotation, str) else str(getattr(annotation, "__name__", annotation))
    return f"`{text}`".replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())

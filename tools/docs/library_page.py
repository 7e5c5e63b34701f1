"""`docs/library.md`, written from `gpuledger.library`: `python -m tools.docs.library_page > docs/library.md`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

from gpuledger import library
from gpuledger.core.cost.question import QuoteOptions

HEAD = """# Python API

Written from `gpuledger.library` by `make docs`; a test holds it to that. [Python](python.md) shows it at work.

Every call reads the newest snapshot of a home, `GPULEDGER_HOME` unless `home` is given, and never the network. Where
there is no ledger yet, `gpuledger providers` or any other lookup of the command line makes one.
"""

FUNCTIONS: tuple[Callable[..., Any], ...] = (
    library.offers,
    library.cheapest,
    library.price_history,
    library.estimate,
    library.connect,
)
CLASSES: tuple[type, ...] = (library.CatalogOffer, library.CatalogOffers)

MEANS = {
    "provider": "provider ids, one or several",
    "cpu_arch": "`x86` or `arm`",
    "min_cpu": "least virtual CPUs of the instance",
    "max_cpu": "most virtual CPUs",
    "min_memory": "least GiB of host memory",
    "max_memory": "most GiB of host memory",
    "min_gpu_count": "least accelerators of the instance",
    "max_gpu_count": "most accelerators",
    "gpu_vendor": "maker of the chip, such as `nvidia`",
    "gpu_name": "one or several SPECs, such as `H100` or `A100:80GB`",
    "min_gpu_memory": "least GiB of one accelerator",
    "max_gpu_memory": "most GiB of one accelerator",
    "min_total_gpu_memory": "least GiB of all accelerators of the instance",
    "max_total_gpu_memory": "most GiB of all accelerators",
    "min_disk_size": "taken, filters nothing",
    "max_disk_size": "taken, filters nothing",
    "min_price": "least US dollars per hour for the whole instance",
    "max_price": "most US dollars per hour for the whole instance",
    "min_compute_capability": "least CUDA compute capability, such as `(8, 0)`",
    "max_compute_capability": "most CUDA compute capability",
    "spot": "`True`: spot alone; `False`: on-demand alone; `None`: all",
    "allowed_flags": "taken, filters nothing",
    "as_of": "a past time: `datetime` or ISO 8601; UTC without an offset",
    "allow_stale": "let prices past their source's target in",
    "home": "the ledger's folder",
    "spec": "which accelerators, such as `H100-SXM:8`",
    "region": "region code, country or continent",
    "tier": "`secure` or `community`",
    "purchase_options": "`on_demand`, `spot`, `reserved`, `capacity_block`",
    "since": "first time, as `as_of`",
    "until": "last time, as `as_of`",
    "every": "one row per step: `1h`, `1d`, `1w`, `1mo`",
    "stat": "`min` or `median`, with `every`",
    "plan": "a plan, its keys as a mapping, or the name of a preset",
    "overrides": "own terms: the text of an `overrides.toml`, or what was read from one",
    "options": "fields of `gpuledger.core.cost.question.QuoteOptions`, listed below",
    "read_only": "there is nothing but `True`",
}
"""What each argument means; a test holds that none is missing and none too many."""


def page() -> str:
    """The page as Markdown: functions with their arguments, then the rows that they return."""
    parts = [HEAD]
    parts += [_function(function) for function in FUNCTIONS]
    parts.append(_options())
    parts += [_class(one) for one in CLASSES]
    return "".join(parts)


def _function(function: Callable[..., Any]) -> str:
    signature = inspect.signature(function)
    rows = "".join(_row(parameter) for parameter in signature.parameters.values())
    head = "| Argument | Type | If left out | Means |\n| --- | --- | --- | --- |\n"
    returned = _code(signature.return_annotation)
    return f"\n## {function.__name__}\n\n{_said(function)}\n\nReturns {returned}.\n\n{head}{rows}"


def _row(parameter: inspect.Parameter) -> str:
    starred = parameter.kind is inspect.Parameter.VAR_KEYWORD
    if starred:
        default = ""
    elif parameter.default is inspect.Parameter.empty:
        default = "required"
    else:
        default = f"`{parameter.default!r}`"
    name = f"**{parameter.name}" if starred else parameter.name
    return f"| `{name}` | {_code(parameter.annotation)} | {default} | {MEANS[parameter.name]} |\n"


def _options() -> str:
    rows = "".join(f"| `{field.name}` | {_code(field.type)} |\n" for field in fields(QuoteOptions))
    return f"\n### QuoteOptions\n\n{_said(QuoteOptions)}\n\n| Field | Type |\n| --- | --- |\n{rows}"


def _class(one: type) -> str:
    members = vars(one)
    rows = ""
    if is_dataclass(one):
        rows = "\n\n| Field | Type |\n| --- | --- |\n"
        rows += "".join(f"| `{field.name}` | {_code(field.type)} |\n" for field in fields(one)).rstrip("\n")
    methods = [
        f"- `{name}()`: {_said(member)}"
        for name, member in members.items()
        if inspect.isfunction(member) and not name.startswith("_")
    ]
    return f"\n## {one.__name__}\n\n{_said(one)}{rows}\n\n" + "\n".join(methods) + "\n"


def _said(what: Any) -> str:
    """The docstring as paragraphs; what it raises as a list, its arguments left to the table."""
    paragraphs: list[str] = []
    for paragraph in (inspect.getdoc(what) or "").split("\n\n"):
        head, _, rest = paragraph.partition("\n")
        if head == "Args:":
            continue
        if head == "Raises:":
            lines = [f"- `{name}`: {why}" for name, _, why in (_entry(line) for line in _entries(rest))]
            paragraphs.append("Raises:\n\n" + "\n".join(lines))
        else:
            paragraphs.append(" ".join(paragraph.split()))
    return "\n\n".join(paragraphs)


def _entries(text: str) -> list[str]:
    """The entries of a section, each with its wrapped lines joined."""
    found: list[str] = []
    for line in text.splitlines():
        if line.startswith("    ") and not line.startswith("     "):
            found.append(line.strip())
        else:
            found[-1] += f" {line.strip()}"
    return found


def _entry(line: str) -> tuple[str, str, str]:
    return line.partition(": ")


def _code(annotation: Any) -> str:
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    return f"`{text}`".replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())

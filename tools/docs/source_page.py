"""`docs/sources.md`, written from the registry: `python -m tools.docs.source_page > docs/sources.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import timedelta

from gpuledger.scrapers.registry import SOURCES
from gpuledger.scrapers.source import Source

HEAD = """# Sources

Written from the registry by `make docs`; a test holds it to that. "Fresh for" is how long a price counts as fresh
after it was last seen. Every source is read without a key where it can be; keys add to it.

| Source | Provider | What is published | Access | Every | Fresh for | Terms |
|---|---|---|---|---|---|---|
"""

NOT_READ = """
## Not read, and why

- **Voltage Park, Together AI, Massed Compute, Salad, Spheron, GMI Cloud**: nothing without a key was found.
- **Modal, fal, Replicate, Baseten, Fireworks, Koyeb, Cerebrium**: they price the run of a function, not a machine.
- **Daytona, Google's GPU rows in gpurentalprices**: a GPU without the machine around it: such a price cannot be rented.
- **Thunder Compute's prototyping mode**: a card shared in time, which never answers for the card.
- **Aquanode, instances.vantage.sh, GPUTable**: collections of providers that are read directly here.
- **consoles behind a login**: their terms forbid programs there.

A source whose terms are known here to forbid programs is not asked; not every site's terms and robots
file were read. Azure and Google name the shapes of their
machines only to accounts; `sql/seeds/instance_type*.csv` has them from their documentation, and a size that is not
there keeps its price under its own name and is shown by `gpuledger unmapped`.
"""


def page(sources: Iterable[Source] = SOURCES) -> str:
    """The page as Markdown, one row per source in the order of the registry."""
    return HEAD + "".join(_row(source) for source in sources) + NOT_READ


def _row(source: Source) -> str:
    name = f"[{source.name}]({source.homepage})" if source.homepage else source.name
    cells = (
        name,
        source.provider,
        source.covers,
        _access(source),
        _span(source.every) if source.requests else "ships with the program",
        _span(source.fresh_for),
        source.licence,
    )
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |\n"


def _access(source: Source) -> str:
    keys = sorted({c.variable for r in source.requests if (c := r.credential)})
    keys += sorted({c.variable for c in source.credentials} - set(keys))
    named = ", ".join(f"`{key}`" for key in keys)
    if not source.requests:
        return "from disk"
    if all(request.credential for request in source.requests):
        return f"needs {named}"
    return f"keyless; {named} adds to it" if named else "keyless"


def _span(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    if hours < 1:
        return f"{span.total_seconds() / 60:g} min"
    return f"{hours:g} h" if hours <= 72 else f"{hours / 24:g} d"


if __name__ == "__main__":
    sys.stdout.write(page())

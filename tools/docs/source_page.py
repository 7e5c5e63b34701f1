# pyarrow ships no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
"""`docs/sources.md`, written from the registry: `python -m tools.docs.source_page > docs/sources.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from datetime import timedelta

from gpuledger.core.parquet import parquet_table
from gpuledger.core.store import sql
from gpuledger.flows.timetable import spoken
from gpuledger.scrapers.history import archives, left_out_rows
from gpuledger.scrapers.registry import SOURCES
from gpuledger.scrapers.source import Source

HEAD = """# Sources

Written from the registry by `make docs`; a test holds it to that. "Fresh for" is how long a price counts as fresh
after it was last seen. Every source is read without a key where it can be; keys add to it.

| Source | Provider | What is published | Access | Every | Fresh for | Terms |
|---|---|---|---|---|---|---|
"""

HISTORY = """
## The bundled history

A new ledger begins with %s prices of %s offers since 2013 (`--no-history`, or the setting `bundled_history`, leaves
them out). They are facts that were distilled from archives of other projects by `tools/history/distill.py`: which offer
had which price from when until when, each with its archive and version. After the end of its archive a price ages like
any other ([validity](validity.md)). What the program would refuse stays out, and so does what an archive itself
contradicts:
a price of days between two equal ones, a machine far from its own price in all other regions, a commitment without a
discount.

| Archive | Of | Terms | Version | Covers | Prices | Rows left out |
|---|---|---|---|---|---|---|
%s
Left out altogether:

%s"""

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
    return HEAD + "".join(_row(source) for source in sources) + history_section() + NOT_READ


def history_section() -> str:
    """What the bundled history was made from, as its files say."""
    bodies = [path.read_bytes() for path in sorted((sql.FOLDER / "history").glob("*.parquet"))]
    told = [one for body in bodies for one in archives(body)]
    rows = "".join(
        f"| {one['name']} | {one['from']} | {one['licence']} | `{one['version']}` |"
        f" {one['covers_from'][:10]} to {one['covers_until'][:10]} | {one['intervals']} |"
        f" {_refused(one['refused'])} |\n"
        for one in told
    )
    offers = len({offer for body in bodies for offer in _offers(body)})
    out = "".join(f"- **{entry['name']}**: {entry['reason']}.\n" for entry in left_out_rows(bodies[0]))
    return HISTORY % (f"{sum(one['intervals'] for one in told):,}", f"{offers:,}", rows, out)


def _offers(body: bytes) -> set[str]:
    return set(parquet_table(body, ["offer_id"])["offer_id"].to_pylist())


def _refused(counts: Mapping[str, int]) -> str:
    most = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    return "; ".join(f"{count} {reason}" for reason, count in most)


def _row(source: Source) -> str:
    name = f"[{source.name}]({source.homepage})" if source.homepage else source.name
    cells = (
        name,
        source.provider,
        source.covers,
        _access(source),
        _interval(source) if source.requests else "ships with the program",
        _span(source.fresh_for),
        source.licence,
    )
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |\n"


def _interval(source: Source) -> str:
    if source.shortest == source.every:
        return _span(source.every)
    return (
        f"{_span(source.every)}, or from {spoken(source.shortest)} ([poll](operations.md#sources-at-minutes))"
    )


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

"""All archives that `gpuledger import` reads, in one explicit tuple."""

from __future__ import annotations

import difflib

from gpuledger.core.errors import UsageError
from gpuledger.scrapers.archives import (
    changes,
    cloud_gpus,
    cyclenerd,
    epoch,
    gpuhunt,
    gpurentalprices,
    skypilot,
    spot_prices,
)
from gpuledger.scrapers.registry import SOURCES
from gpuledger.scrapers.source import Source

ARCHIVES: tuple[Source, ...] = (
    gpuhunt.SOURCE,
    skypilot.SOURCE,
    cyclenerd.SOURCE,
    cloud_gpus.SOURCE,
    epoch.SOURCE,
    gpurentalprices.SOURCE,
    spot_prices.SOURCE,
    changes.SOURCE,
)

EVERY_SOURCE: tuple[Source, ...] = (*SOURCES, *ARCHIVES)
"""What a ledger knows: all that is fetched and all that is imported."""


def archive(name: str) -> Source:
    """The archive of that name.

    Raises:
        UsageError: no such archive; names the nearest.
    """
    by_name = {source.name: source for source in ARCHIVES}
    if name in by_name:
        return by_name[name]
    nearest = difflib.get_close_matches(name, by_name, n=2)
    hint = f"; did you mean {' or '.join(nearest)}?" if nearest else f"; known: {', '.join(by_name)}"
    raise UsageError(f"unknown archive {name!r}{hint}")

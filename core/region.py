"""From a provider's name of a place to its region code, by the seeds `region*.csv`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from gpuledger.core import seeds


def _place(location_name: str) -> str:
    """AWS renamed its European places; both spellings are in use (`EU (Frankfurt)`, `Europe (Frankfurt)`)."""
    words = " ".join(location_name.split())
    return "EU (" + words.removeprefix("Europe (") if words.startswith("Europe (") else words


@lru_cache(maxsize=1)
def _codes() -> Mapping[tuple[str, str], str]:
    codes: dict[tuple[str, str], str] = {}
    for row in seeds.rows_of_all("region"):
        codes[row["provider"], _place(row["location_name"])] = row["region"]
    return codes


def region_code(provider: str, location_name: str) -> str | None:
    """The code of the region that the provider calls so; `None` when the seeds do not know it."""
    return _codes().get((provider, _place(location_name)))


def region_codes(provider: str) -> list[str]:
    """All regions of a provider that the seeds know, in their order."""
    return [code for (owner, _), code in _codes().items() if owner == provider]

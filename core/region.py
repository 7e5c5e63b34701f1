"""From a provider's name of a place to its region code, by the seeds `region*.csv`."""

from __future__ import annotations

import re
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


@lru_cache(maxsize=1)
def _folded() -> Mapping[tuple[str, str], str]:
    folded: dict[tuple[str, str], str] = {}
    for row in seeds.rows_of_all("region"):
        for name in (row["location_name"], row["region"]):
            folded[row["provider"], _squeezed(name)] = row["region"]
    return folded


def _squeezed(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", _place(name).casefold())


def known_region(provider: str, name: str) -> str:
    """The region's code however it is spelled: `WestUS3`, `West US 3` and `westus3` are one. A region that the
    seeds do not know keeps its name; those of Azure are one word of small letters."""
    found = _folded().get((provider, _squeezed(name)))
    if found is not None:
        return found
    return _squeezed(name) if provider == "azure" else name


def region_codes(provider: str) -> list[str]:
    """All regions of a provider that the seeds know, in their order."""
    return [code for (owner, _), code in _codes().items() if owner == provider]

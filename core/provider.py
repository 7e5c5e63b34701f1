"""What providers call their regions (seeds `region*.csv`) and the shapes of their instance types (seeds
`instance_type*.csv`); what they are called themselves is in `gpuledger.core.provider_name`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from gpuledger.core import seeds

# From a provider's name of a place to its region code, by the seeds `region*.csv`.


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
    code = _folded().get((provider, _squeezed(name)))
    if code is not None:
        return code
    return _squeezed(name) if provider == "azure" else name


CONTINENTS = {
    "af": "africa",
    "as": "asia|apac|asia pacific",
    "eu": "europe|european union|emea",
    "na": "america|north america",
    "oc": "oceania",
    "sa": "south america|latin america|latam",
}
_COUNTRIES = {
    "us": "usa|united states|united states of america",
    "gb": "uk|great britain|united kingdom|england",
    "au": "australia",
}


@lru_cache(maxsize=1)
def _places() -> Mapping[str, str]:
    """Words of people for continents and countries, with their codes. A country whose code is that of a continent has
    no word: `sa` is South America."""
    words = {row["location_name"].casefold(): row["country"].casefold() for row in seeds.rows("region_vast")}
    named = {word: code for word, code in words.items() if code and code not in CONTINENTS}
    own = {word: code for code, text in {**CONTINENTS, **_COUNTRIES}.items() for word in text.split("|")}
    return {**named, **own}


def place_code(name: str) -> str:
    """`Europe` is `eu`, `Germany` is `de`; a name that is no word for a continent or country stays as it is."""
    word = " ".join(name.casefold().replace("-", " ").replace("_", " ").split())
    return _places().get(word, name)


@lru_cache(maxsize=1)
def _place_continents() -> Mapping[tuple[str, str], frozenset[str]]:
    """Continents by country (and no provider), and by provider and region code, in small letters."""
    continents: dict[tuple[str, str], frozenset[str]] = {}
    for row in seeds.rows_of_all("region"):
        own = frozenset(row["continent"].lower().split())
        for key in (("", row["country"].lower()), (row["provider"], row["region"].lower())):
            continents[key] = continents.get(key, frozenset()) | own
    return continents


def may_be_in(places: Iterable[str], provider: str, country: str | None, continent: str | None) -> bool:
    """Whether an offer that names no country may lie in one of some places (codes in small letters): its continent is
    that of a country asked for, or of a region of its provider that is, or not known. The same rule as the macro
    `may_be_in_place` of sql/views/15_offer_wanted.sql; a test holds them equal."""
    if country:
        return False
    own = set((continent or "").lower().split())
    continents = _place_continents()
    return not own or any(
        own & continents.get(key, frozenset()) for place in places for key in (("", place), (provider, place))
    )


def region_codes(provider: str) -> list[str]:
    """All regions of a provider that the seeds know, in their order."""
    return [code for (owner, _), code in _codes().items() if owner == provider]


# Shapes of instance types whose price lists do not name the accelerator (seeds `instance_type*.csv`).


@dataclass(frozen=True, kw_only=True)
class InstanceShape:
    """What one instance type holds, as its provider describes it; `None` is "not published"."""

    provider: str
    instance_type: str
    gpu_label: str
    """The provider's name for the accelerator."""
    gpu_count: Decimal
    """A fraction for slices of a card. Zero says that the type is known to have no GPU or AI accelerator,
    though the provider files it among them (FPGA and video cards)."""
    gpu_memory_gib: Decimal | None
    """Memory of one whole accelerator, also where the instance has a slice of it."""
    vcpus: Decimal | None
    memory_gib: Decimal | None
    source: str


def _decimal(text: str) -> Decimal | None:
    return Decimal(text) if text else None


def _shape(row: Mapping[str, str]) -> InstanceShape:
    return InstanceShape(
        provider=row["provider"],
        instance_type=row["instance_type"],
        gpu_label=row["gpu_label"],
        gpu_count=Decimal(row["gpu_count"]),
        gpu_memory_gib=_decimal(row["gpu_memory_gib"]),
        vcpus=_decimal(row["vcpus"]),
        memory_gib=_decimal(row["memory_gib"]),
        source=row["source"],
    )


@lru_cache(maxsize=1)
def instance_shapes() -> Mapping[tuple[str, str], InstanceShape]:
    """All shapes by provider and instance type, from every `instance_type*.csv` of the seeds."""
    return {
        (row["provider"], row["instance_type"]): _shape(row) for row in seeds.rows_of_all("instance_type")
    }


def instance_shape(provider: str, instance_type: str) -> InstanceShape | None:
    """The shape of an instance type; `None` when the seeds do not know it."""
    return instance_shapes().get((provider, instance_type))

"""What providers call things: themselves, their regions (seeds `region*.csv`) and the shapes of their instance types
(seeds `instance_type*.csv`)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from gpuledger.core import seeds

_OTHER_NAMES = {
    name: cloud
    for cloud, names in {
        "aws": "amazon amazon_aws amazon_ec2 amazon_web_services aws_ec2 ec2",
        "azure": "azure_vm azure_virtual_machines microsoft microsoft_azure",
        "coreweave": "core_weave",
        "digitalocean": "digital_ocean do",
        "gcp": "gce google google_cloud google_cloud_platform google_compute_engine",
        "hotaisle": "hot_aisle",
        "hyperstack": "nexgen_cloud nexgencloud",
        "jarvislabs": "jarvis_labs jarvislabs_ai",
        "gmicloud": "gmi gmi_cloud",
        "lambda": "lambdalabs lambda_ai lambda_cloud lambda_gpu_cloud lambda_labs",
        "latitude": "latitude_sh",
        "massedcompute": "massed_compute",
        "linode": "akamai akamai_linode linode_akamai",
        "nebius": "nebius_ai nebius_ai_cloud",
        "oci": "oracle oracle_cloud oracle_cloud_infrastructure",
        "ovh": "ovh_cloud ovhcloud",
        "prime_intellect": "primeintellect",
        "runpod": "run_pod runpod_io",
        "salad": "salad_cloud salad_com",
        "sfcompute": "san_francisco_compute sf_compute",
        "tensordock": "tensor_dock",
        "thundercompute": "thunder thunder_compute",
        "together": "together_ai",
        "vast": "vastai vast_ai",
        "verda": "datacrunch data_crunch datacrunch_io verda_datacrunch",
        "voltagepark": "voltage_park",
    }.items()
    for name in names.split()
}
"""Words of aggregators, archives and people for clouds that we know by another name (2025 and 2026)."""


def provider_id(name: str) -> str:
    """`RunPod` is `runpod`, `AWS EC2` is `aws`; a name that is not known becomes one word of small letters, digits
    and underscores, accents left out; an empty one where it has neither letters of that kind nor digits."""
    letters = "".join(
        c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c)
    )
    words = re.sub(r"[^a-z0-9]+", "_", letters).strip("_")
    return _OTHER_NAMES.get(words, words)


@dataclass(frozen=True, kw_only=True)
class NamedProvider:
    """What a list calls a provider: the cloud itself, and what of it the name says besides."""

    provider: str
    """Id of the cloud; an empty one as of `provider_id`."""
    tier: str | None = None
    """`secure`, `community`, or a managed product of the cloud: `sagemaker`, `vertex_ai`, `azure_ml`."""
    purchase_option: str | None = None


_MANAGED = {
    "sagemaker": ("aws", "sagemaker"),
    "sagemaker_ai": ("aws", "sagemaker"),
    "vertex_ai": ("gcp", "vertex_ai"),
    "vertex": ("gcp", "vertex_ai"),
    "ml": ("azure", "azure_ml"),
    "machine_learning": ("azure", "azure_ml"),
    "azureml": ("azure", "azure_ml"),
}
"""Products that rent a cloud's machines at prices of their own, by the word that follows the cloud's name (2026)."""

MANAGED_TIERS = frozenset(tier for _, tier in _MANAGED.values())
"""Tiers that are a product of their own, whose prices no list of the cloud's plain machines shows."""

_ALONE = frozenset({"sagemaker", "sagemaker_ai", "vertex_ai", "azureml"})
"""Those that are said without the cloud's name too."""

_TIERS = ("secure", "community")
_OPTIONS = {
    "spot": "spot",
    "preemptible": "spot",
    "interruptible": "spot",
    "on_demand": "on_demand",
    "ondemand": "on_demand",
    "reserved": "reserved",
}
_FILLING = ("_cloud", "_tier", "_instances", "_instance", "_vms", "_vm", "_gpus", "_gpu", "_pods", "_pod")


@lru_cache(maxsize=4096)
def named_provider(name: str) -> NamedProvider:
    """`RunPod Community` is RunPod's community tier, `AWS SageMaker` a product of AWS, `Azure Spot` spot of Azure: only
    of clouds that we know, as a stranger may be called so."""
    words = provider_id(name)
    if words in _clouds():
        return NamedProvider(provider=words)
    if words in _ALONE:
        return NamedProvider(provider=_MANAGED[words][0], tier=_MANAGED[words][1])
    for cloud, rest in _parted(words):
        named = _besides(cloud, rest)
        if named is not None:
            return named
    return NamedProvider(provider=words)


def _besides(cloud: str, words: str) -> NamedProvider | None:
    """What the words beside the name of a cloud say, however many things they are; `None` where one says nothing."""
    tier = option = None
    rest = words
    while rest:
        ends = [rest[start:] for start in range(len(rest)) if start == 0 or rest[start - 1] == "_"]
        for end in ends:
            plain = _unfilled(end)
            managed = _MANAGED.get(end)
            if tier is None and managed is not None and managed[0] == cloud:
                tier = managed[1]
            elif tier is None and plain in _TIERS:
                tier = plain
            elif option is None and plain in _OPTIONS:
                option = _OPTIONS[plain]
            elif _OTHER_NAMES.get(end, end) != cloud:
                continue
            rest = rest.removesuffix(end).removesuffix("_")
            break
        else:
            return None
    return NamedProvider(provider=cloud, tier=tier, purchase_option=option)


def _parted(words: str) -> list[tuple[str, str]]:
    """A known cloud at the begin or the end of a name, with the other words."""
    parts = words.split("_")
    splits = [("_".join(parts[:n]), "_".join(parts[n:])) for n in range(1, len(parts))]
    either = [(head, tail) for head, tail in splits] + [(tail, head) for head, tail in splits]
    clouds = [(_OTHER_NAMES.get(cloud, cloud), rest) for cloud, rest in either]
    return [(cloud, rest) for cloud, rest in clouds if cloud in _clouds()]


def _unfilled(words: str) -> str:
    for filling in _FILLING:
        words = words.removesuffix(filling)
    return words


@lru_cache(maxsize=1)
def _clouds() -> frozenset[str]:
    """Clouds that the seeds or the names above know."""
    listed = (row["provider"] for stem in ("region", "instance_type") for row in seeds.rows_of_all(stem))
    return frozenset(
        {*listed, *_OTHER_NAMES.values(), *(row["provider"] for row in seeds.rows("provider_segment"))}
    )


def option_word(text: str) -> str:
    """A way to buy or a tier as the ledger writes it: `On-Demand` and `on demand` are `on_demand`."""
    return re.sub(r"[\s-]+", "_", text.strip().lower())


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
def _country_continents() -> Mapping[str, frozenset[str]]:
    continents: dict[str, frozenset[str]] = {}
    for row in seeds.rows_of_all("region"):
        if row["country"] and row["continent"]:
            country = row["country"].lower()
            continents[country] = continents.get(country, frozenset()) | set(row["continent"].lower().split())
    return continents


def may_be_in(places: Iterable[str], country: str | None, continent: str | None) -> bool:
    """Whether an offer that names no country may lie in one of some places (codes in small letters): its continent is
    that of a country asked for, or not known. The same rule as the macro `may_be_in_place` of
    sql/views/15_offer_wanted.sql; a test holds them equal."""
    if country:
        return False
    own = set((continent or "").lower().split())
    return not own or any(own & _country_continents().get(place, frozenset()) for place in places)


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

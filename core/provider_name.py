"""What providers are called, by themselves and by others, and what of a name is a tier, a product or a way to buy."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

from gpuledger.core import seeds
from gpuledger.core.validity import MARKETPLACES

_NAMES = {
    "akash": "akash_network",
    "alibaba": "alibaba_cloud aliyun",
    "aws": "amazon amazon_aws amazon_ec2 amazon_web_services aws_ec2 ec2",
    "azure": "azure_vm azure_virtual_machines microsoft microsoft_azure",
    "coreweave": "core_weave",
    "crusoe": "crusoe_cloud crusoe_energy crusoecloud",
    "cudo_compute": "cudo cudocompute",
    "digitalocean": "digital_ocean do",
    "exoscale": "",
    "gcp": "gce google google_cloud google_cloud_platform google_compute_engine",
    "hotaisle": "hot_aisle",
    "hyperstack": "nexgen_cloud nexgencloud",
    "ibm": "ibm_cloud",
    "jarvislabs": "jarvis_labs jarvislabs_ai",
    "gmicloud": "gmi gmi_cloud",
    "lambda": "lambdalabs lambda_ai lambda_cloud lambda_gpu_cloud lambda_labs",
    "latitude": "latitude_sh",
    "massedcompute": "massed_compute",
    "linode": "akamai akamai_linode linode_akamai",
    "nebius": "nebius_ai nebius_ai_cloud",
    "oblivus_cloud": "oblivus",
    "oci": "oracle oracle_cloud oracle_cloud_infrastructure",
    "ovh": "ovh_cloud ovhcloud",
    "paperspace": "",
    "prime_intellect": "primeintellect",
    "runpod": "run_pod runpod_io",
    "salad": "salad_cloud salad_com",
    "sfcompute": "san_francisco_compute sf_compute",
    "shadeform": "",
    "spheron": "",
    "tencent": "tencent_cloud",
    "tensordock": "tensor_dock",
    "thundercompute": "thunder thunder_compute",
    "together": "together_ai",
    "vast": "vastai vast_ai",
    "verda": "datacrunch data_crunch datacrunch_io verda_datacrunch",
    "voltagepark": "voltage_park",
}
"""Clouds, and words of aggregators, archives and people for those that we know by another name (2025 and 2026)."""

_OTHER_NAMES = {name: cloud for cloud, names in _NAMES.items() for name in names.split()}


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
    """`secure`, `community`, or a product of the cloud with prices of its own: `sagemaker`, `serverless` ..."""
    purchase_option: str | None = None


_PRODUCTS: Mapping[str, Mapping[str, str]] = {
    "": {
        "bare_metal": "bare_metal",
        "cluster": "1_click 1_click_cluster 1cc cluster gpu_cluster instant_cluster one_click_cluster",
        "dedicated": "dedicated dedicated_host dedicated_instance",
        "serverless": "serverless serverless_container",
    },
    "aws": {
        "china": "china",
        "govcloud": "gov_cloud gov_cloud_us govcloud govcloud_us us_gov",
        "sagemaker": "sagemaker sagemaker_ai",
    },
    "azure": {
        "azure_ml": "azureml machine_learning ml",
        "china": "china",
        "government": "gov government us_gov us_government",
    },
    "gcp": {"flex_start": "dws_flex_start flex_start", "vertex_ai": "vertex vertex_ai"},
    "oci": {"government": "gov government us_government"},
}
"""Products that rent a cloud's machines at prices of their own, and parts of a cloud with accounts and prices of their
own (AWS GovCloud): tier, by the words beside the cloud's name; under no cloud those of any (2026)."""

MANAGED_TIERS = frozenset(tier for tiers in _PRODUCTS.values() for tier in tiers)
"""Tiers that are a product of their own, whose prices no list of the cloud's plain machines shows."""

# fmt: off
TierName = Literal[
    "secure", "community", "azure_ml", "bare_metal", "china", "cluster", "dedicated", "flex_start", "government",
    "govcloud", "sagemaker", "serverless", "vertex_ai",
]
# fmt: on
TIERS: tuple[str, ...] = get_args(TierName)
"""All that may be asked for."""

_ALONE = {
    "azureml": ("azure", "azure_ml"),
    "sagemaker": ("aws", "sagemaker"),
    "sagemaker_ai": ("aws", "sagemaker"),
    "vertex_ai": ("gcp", "vertex_ai"),
}
"""Those that are said without the cloud's name too."""

_TIERS = ("secure", "community")
_OPTIONS = {
    word: option
    for option, words in {
        "capacity_block": "calendar_mode capacity_block capacity_block_for_ml capacity_blocks_for_ml dws_calendar"
        " dws_calendar_mode ml_capacity_block",
        "on_demand": "on_demand ondemand pay_as_you_go payg",
        "reserved": "committed_use committed_use_discount cud reservation reserved savings_plan",
        "spot": "interruptible low_priority preemptible spot",
    }.items()
    for word in words.split()
}
"""Ways to buy. Azure's low-priority machines were what its spot machines are since (2021)."""

_FILLING = ("cloud", "tier", "instance", "vm", "droplet", "gpu", "pod", "price", "pricing")


@lru_cache(maxsize=4096)
def named_provider(name: str) -> NamedProvider:
    """`RunPod Community` is RunPod's community tier, `AWS SageMaker` a product of AWS, `Azure Spot` spot of Azure: only
    of clouds and words that we know, as a stranger may be called so."""
    words = provider_id(name)
    if words in _clouds():
        return NamedProvider(provider=words)
    if words in _ALONE:
        return NamedProvider(provider=_ALONE[words][0], tier=_ALONE[words][1])
    for cloud, rest in _parted(words):
        named = _besides(cloud, rest)
        if named is not None:
            return named
    return NamedProvider(provider=words)


def provider_asked(name: str) -> str:
    """The cloud that a person means. A name that says a tier or a way to buy besides stays as it is, and matches
    nothing: it is to be asked for by these."""
    named = named_provider(name)
    return named.provider if named.tier is None and named.purchase_option is None else provider_id(name)


def cloud_in(name: str) -> str | None:
    """A known cloud whose name a provider's holds beside words that we do not know, as `AWS Outposts`: whether that is
    a provider of its own, nobody can tell."""
    named = named_provider(name).provider
    parted = [] if named in _clouds() else _parted(named)
    return parted[0][0] if parted else None


def is_known(name: str) -> bool:
    """Whether a provider's name is that of a cloud which the seeds or the names above know."""
    return named_provider(name).provider in _clouds()


def _besides(cloud: str, words: str) -> NamedProvider | None:
    """What the words beside the name of a cloud say, however many things they are; `None` where one says nothing."""
    tier = option = None
    rest = words
    while rest:
        ends = [rest[start:] for start in range(len(rest)) if start == 0 or rest[start - 1] == "_"]
        for end in ends:
            plain = _unfilled(end)
            product = _products(cloud).get(end) or _products(cloud).get(plain)
            if tier is None and product is not None:
                tier = product
            elif plain in _FILLING or (plain == "marketplace" and cloud in MARKETPLACES):
                pass  # says nothing
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
    """The words without those that say nothing at their end, and in the singular: `spot_vms` is `spot`."""
    for filling in _FILLING:
        words = words.removesuffix(f"_{filling}s").removesuffix(f"_{filling}")
    return words.removesuffix("s") if not words.endswith("ss") else words


@lru_cache(maxsize=64)
def _products(cloud: str) -> Mapping[str, str]:
    """Tiers of a cloud by the words for them."""
    tiers = {**_PRODUCTS[""], **_PRODUCTS.get(cloud, {})}
    return {word: tier for tier, words in tiers.items() for word in words.split()}


@lru_cache(maxsize=1)
def _clouds() -> frozenset[str]:
    """Clouds that the seeds or the names above know."""
    listed = (row["provider"] for stem in ("region", "instance_type") for row in seeds.rows_of_all(stem))
    return frozenset({*listed, *_NAMES, *(row["provider"] for row in seeds.rows("provider_segment"))})

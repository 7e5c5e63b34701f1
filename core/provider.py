"""Provider ids, however a provider is written: by itself, by aggregators and archives, and by people."""

from __future__ import annotations

import re

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
        "lambda": "lambdalabs lambda_ai lambda_cloud lambda_labs",
        "linode": "akamai akamai_linode linode_akamai",
        "nebius": "nebius_ai nebius_ai_cloud",
        "oci": "oracle oracle_cloud oracle_cloud_infrastructure",
        "ovh": "ovh_cloud ovhcloud",
        "prime_intellect": "primeintellect",
        "runpod": "run_pod runpod_io",
        "tensordock": "tensor_dock",
        "thundercompute": "thunder thunder_compute",
        "vast": "vastai vast_ai",
        "verda": "datacrunch data_crunch datacrunch_io",
        "voltagepark": "voltage_park",
    }.items()
    for name in names.split()
}
"""Words of aggregators, archives and people for clouds that we know by another name (2025 and 2026)."""


def provider_id(name: str) -> str:
    """`RunPod` is `runpod`, `AWS EC2` is `aws`; a name that is not known becomes one word of small letters, digits
    and underscores."""
    words = re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_")
    return _OTHER_NAMES.get(words, words)

"""Which live source would see a price anew: by provider and purchase option, and by which key.

The declarations of the sources lie above this package; tests/contract/test_check_sources.py holds
this table equal to what they read. Publishing writes the source beside each offer, as `check_source`.
"""

from __future__ import annotations

_ALL = ("on_demand", "spot")
READERS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("akash", "akash", ("on_demand",)),
    ("aws_on_demand", "aws", ("on_demand",)),
    ("aws_spot", "aws", ("spot",)),
    ("aws_bulk", "aws", ("reserved",)),
    ("aws_capacity_blocks", "aws", ("capacity_block",)),
    ("azure_retail", "azure", (*_ALL, "reserved")),
    ("cloudrift", "cloudrift", ("on_demand",)),
    ("coreweave", "coreweave", _ALL),
    ("crusoe", "crusoe", _ALL),
    ("digitalocean", "digitalocean", (*_ALL, "reserved")),
    ("gcp_page", "gcp", (*_ALL, "reserved", "capacity_block")),
    ("hyperstack", "hyperstack", _ALL),
    ("lambda_cloud", "lambda", ("on_demand",)),
    ("linode", "linode", ("on_demand",)),
    ("nebius", "nebius", _ALL),
    ("oci_price_list", "oci", ("on_demand",)),
    ("ovh", "ovh", ("on_demand", "reserved")),
    ("runpod", "runpod", (*_ALL, "reserved")),
    ("scaleway", "scaleway", ("on_demand",)),
    ("thundercompute", "thundercompute", ("on_demand",)),
    ("vast", "vast", _ALL),
    ("verda", "verda", _ALL),
    ("vultr", "vultr", _ALL),
    *(
        ("gpurentalprices_daily", provider, ("on_demand",))
        for provider in (
            *(
                "gmicloud",
                "hotaisle",
                "impossiblecloud",
                "jarvislabs",
                "massedcompute",
                "prime_intellect",
                "salad",
            ),
            *("synteq", "tensordock", "together", "voltagepark"),
        )
    ),
    *(("gpurentalprices_daily", provider, _ALL) for provider in ("lium", "spheron")),
    ("gpurentalprices_daily", "latitude", ("on_demand", "reserved")),
    ("gpurentalprices_daily", "sfcompute", ("spot",)),
    ("jarvislabs", "jarvislabs", ("spot",)),
    ("prime_intellect", "primecompute", ("spot",)),
    ("seeweb", "seeweb", ("on_demand",)),
)
"""Source, provider and what it reads of it; one that needs no key before one that does."""

KEYS = {
    "gcp_catalog": "GOOGLE_API_KEY",
    "hotaisle": "HOTAISLE_AUTHORIZATION",
    "jarvislabs": "JL_API_KEY",
    "prime_intellect": "PRIME_API_KEY",
    "seeweb": "SEEWEB_API_TOKEN",
    "shadeform": "SHADEFORM_API_KEY",
    "tensordock": "TENSORDOCK_API_TOKEN",
}
"""Environment variable of the key without which a source cannot be read."""

CHECK_SOURCES = {
    (provider, option): source for source, provider, options in reversed(READERS) for option in options
}
"""Of a provider and purchase option the source that is named first."""

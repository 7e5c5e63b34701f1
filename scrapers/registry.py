"""All sources, in one explicit tuple."""

from __future__ import annotations

import difflib

from gpuledger.core.errors import UsageError
from gpuledger.scrapers import (
    akash,
    aws_bulk,
    aws_capacity_blocks,
    aws_on_demand,
    aws_spot,
    azure_retail,
    bundled,
    cloudrift,
    coreweave,
    crusoe,
    digitalocean,
    ecb,
    gcp_catalog,
    gcp_page,
    gpurentalprices_daily,
    history,
    hotaisle,
    hyperstack,
    jarvislabs,
    lambda_cloud,
    linode,
    nebius,
    oci_price_list,
    ovh,
    prime_intellect,
    release,
    runpod,
    scaleway,
    scaleway_storage,
    seeweb,
    shadeform,
    tensordock,
    thundercompute,
    vast,
    verda,
    vultr,
)
from gpuledger.scrapers.source import Source

SOURCES: tuple[Source, ...] = (
    akash.SOURCE,
    aws_bulk.SOURCE,
    aws_capacity_blocks.SOURCE,
    aws_on_demand.SOURCE,
    aws_spot.SOURCE,
    azure_retail.SOURCE,
    bundled.SOURCE,
    cloudrift.SOURCE,
    coreweave.SOURCE,
    crusoe.SOURCE,
    digitalocean.SOURCE,
    ecb.SOURCE,
    gcp_catalog.SOURCE,
    gcp_page.SOURCE,
    gpurentalprices_daily.SOURCE,
    *history.SOURCES,
    hotaisle.SOURCE,
    hyperstack.SOURCE,
    jarvislabs.SOURCE,
    lambda_cloud.SOURCE,
    linode.SOURCE,
    nebius.SOURCE,
    oci_price_list.SOURCE,
    ovh.SOURCE,
    prime_intellect.SOURCE,
    release.SOURCE,
    runpod.SOURCE,
    scaleway.SOURCE,
    scaleway_storage.SOURCE,
    seeweb.SOURCE,
    shadeform.SOURCE,
    tensordock.SOURCE,
    thundercompute.SOURCE,
    vast.SOURCE,
    verda.SOURCE,
    vultr.SOURCE,
)


def names() -> tuple[str, ...]:
    return tuple(source.name for source in SOURCES)


def get(name: str) -> Source:
    """The source of that name.

    Raises:
        UsageError: no such source; names the nearest.
    """
    for source in SOURCES:
        if source.name == name:
            return source
    nearest = difflib.get_close_matches(name, names(), n=3)
    hint = f"; did you mean {', '.join(nearest)}?" if nearest else f"; known: {', '.join(names())}"
    raise UsageError(f"unknown source {name!r}{hint}")

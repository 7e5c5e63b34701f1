"""gpurentalprices.com, today's file: per GPU and hour, US dollars, some 37 providers (CC BY 4.0, with a link).

Another project read the providers' pages; its offers are those of the providers, `via` it. Providers that this
program reads by itself, without a key or with one that is there, are left out, so that its word never goes before
theirs. A row that was not
seen within two days is old, whatever the file's date. What is no price of a machine (functions, a GPU without the
machine around it) is left out as in the imported files of the same project.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from gpuledger.core.contract import Contract, between
from gpuledger.core.document import Document, Request
from gpuledger.core.offer import Fact, Offer, Skipped
from gpuledger.scrapers import hotaisle, jarvislabs, prime_intellect, seeweb, shadeform, tensordock
from gpuledger.scrapers.archives import gpurentalprices
from gpuledger.scrapers.source import TWICE_A_DAY, Source

READ_WITH_KEY = {
    adapter.SOURCE.provider: adapter.SOURCE.credentials[0]
    for adapter in (hotaisle, jarvislabs, prime_intellect, seeweb, shadeform, tensordock)
}
"""Providers with a source of their own that needs a key."""

READ_DIRECTLY = frozenset(
    {
        *(
            "akash",
            "aws",
            "azure",
            "cloudrift",
            "coreweave",
            "crusoe",
            "digitalocean",
            "gcp",
            "hyperstack",
            "lambda",
        ),
        *("linode", "nebius", "oci", "ovh", "runpod", "scaleway", "thundercompute", "vast", "verda", "vultr"),
    }
)
"""Providers with a source of their own that needs no key."""

OLDEST = timedelta(days=2)


def parse(document: Document) -> Iterator[Fact]:
    """Offers of the providers that are not read directly.

    Raises:
        ParseError: not this JSON.
    """
    read_directly = READ_DIRECTLY.union(document.context.get("has_key", "").split())
    for fact in gpurentalprices.parse(document):
        if not isinstance(fact, Offer):
            yield fact
        elif fact.provider in read_directly:
            yield Skipped("read from the provider itself", {"provider": fact.provider, "gpu": fact.sku})
        elif fact.observed_at is not None and document.fetched_at - fact.observed_at > OLDEST:
            yield Skipped("not seen within two days", fact.model_dump(mode="json", exclude_none=True))
        else:
            yield fact.model_copy(update={"via": "gpurentalprices", "observed_at": None})


SOURCE = Source(
    name="gpurentalprices_daily",
    provider="several",
    homepage="https://gpurentalprices.com",
    every=TWICE_A_DAY,
    requests=(
        Request(
            url="https://raw.githubusercontent.com/adriannutiu/gpu-rental-prices/main/data/latest.json",
            key_of_provider=READ_WITH_KEY,
        ),
    ),
    parse=parse,
    contract=Contract(
        min_offers=15,
        must_have=("h100",),
        usd_per_gpu_hour=between("0.02", "40"),
        larger_costs_more=False,
        spot_below_on_demand=False,
    ),
    covers="a dozen providers that have no source of their own here, as another project read them that day",
    licence="CC BY 4.0 (gpurentalprices.com)",
)

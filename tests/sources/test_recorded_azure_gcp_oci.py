"""Real answers of Azure, Google Cloud and Oracle, recorded outside the repository (`GPULEDGER_RECORDED`)."""

import json
import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from gpuledger.core.count import decimal_text
from gpuledger.core.document import Document, Request
from gpuledger.core.errors import ParseError
from gpuledger.core.offer import Offer, PurchaseOption, Skipped
from gpuledger.core.published import usd_per_hour
from gpuledger.scrapers.registry import get
from tools.captures import skipped_by_reason

RECORDED = os.environ.get("GPULEDGER_RECORDED")
pytestmark = pytest.mark.skipif(not RECORDED, reason="GPULEDGER_RECORDED is not set")


def recorded(source, *names, unwrap=lambda value: value):
    """Documents of recorded files, as the provider sends them."""
    documents = []
    for name in names:
        value = unwrap(json.loads((Path(RECORDED or "") / name).read_bytes(), parse_float=Decimal))
        documents.append(
            Document(
                source=source,
                request=Request(url=f"https://recorded.example.org/{name}"),
                body=json.dumps(value, default=float).encode(),
                fetched_at=datetime(2026, 10, 31, tzinfo=UTC),
            )
        )
    return documents


def in_a_page(skus):
    """The bare SKUs of 2025-06-17 lack category and serviceRegions, so that no machine can be put together.

    Azure's list of 2025-06-21 is not read at all: of the wire's fields six were kept, not those that tell
    spot from on-demand; nor are the lists of accelerator types, which have no prices."""
    return {"skus": skus}


FILES = [
    ("azure_retail", ["azure/retail_prices_eastus2_nd_2026-10.json"], "Items", 23),
    ("azure_retail", ["azure/retail_prices_eastus_nd_2026-07-27.json"], "Items", 10),
    ("gcp_catalog", ["gcp/billing_skus_gpu_2025-06-17.json"], "skus", 1073),
    ("gcp_catalog", ["gcp/billing_skus_list_opencost.json"], "skus", 7),
    ("oci_price_list", ["oci/products_gpu_2026-10.json"], "items", 9),
    ("oci_price_list", ["oci/products_usd_2024.json"], "items", 450),
    ("oci_price_list", ["oci/cost_estimator_shapes_excerpt.json"], "items", 2),
]


def parsed(source, names):
    unwrap = in_a_page if names == ["gcp/billing_skus_gpu_2025-06-17.json"] else lambda value: value
    documents = recorded(source, *names, unwrap=unwrap)
    return documents, list(get(source).parse(documents[0]))


@pytest.mark.parametrize(("source", "names", "key", "count"), FILES)
def test_every_row_is_read_or_left_out_with_a_reason(source, names, key, count):
    (document,), facts = parsed(source, names)
    offers = [fact for fact in facts if isinstance(fact, Offer)]
    rows = document.json()[key]
    assert len(rows) == count
    assert facts

    if source == "azure_retail":
        assert len(facts) == count
    elif source == "oci_price_list":
        told = {json.dumps(fact.row, default=str) for fact in facts if isinstance(fact, Skipped)}
        priced = sum(1 for row in rows if row.get("partNumber") in PRICED)
        assert len(told) + priced == count
    elif offers:
        assert {offer.instance_type.rpartition("-")[0] for offer in offers} == {"a2-highgpu", "a2-megagpu"}
    else:
        assert len(facts) == count


PRICED = {
    # GPU parts with a shape
    *("B88517", "B88518", "B89734", "B92740", "B95907", "B95909", "B98415"),
    *("B109485", "B110519", "B110978", "B110979", "B112237"),
    # storage and outbound transfer
    *("B88327", "B93455", "B93456", "B89057", "B91628", "B91633", "B91961"),
}


def test_azures_nd96isr_h100_v5_in_eastus_and_its_reservation():
    _, facts = parsed("azure_retail", ["azure/retail_prices_eastus_nd_2026-07-27.json"])
    prices = {
        (offer.purchase_option, offer.term_months): usd_per_hour(offer)
        for offer in facts
        if isinstance(offer, Offer) and offer.sku == "Standard_ND96isr_H100_v5"
    }
    assert prices[PurchaseOption.ON_DEMAND, None] == Decimal("98.32")
    assert prices[PurchaseOption.RESERVED, Decimal(12)].quantize(Decimal("0.01")) == Decimal("62.92")


def test_spot_at_the_full_price_is_left_out_and_real_spot_is_kept():
    _, facts = parsed("azure_retail", ["azure/retail_prices_eastus2_nd_2026-10.json"])
    spot = [f.sku for f in facts if isinstance(f, Offer) and f.purchase_option is PurchaseOption.SPOT]
    assert spot == ["Standard_ND96isr_H100_v5"]
    assert skipped_by_reason(facts)["spot at the full price is a placeholder"] == 2


def test_googles_a2_machine_is_the_published_sum():
    _, facts = parsed("gcp_catalog", ["gcp/billing_skus_list_opencost.json"])
    hourly = {
        (o.instance_type, o.region): decimal_text(usd_per_hour(o)) for o in facts if isinstance(o, Offer)
    }
    assert hourly["a2-highgpu-1g", "us-central1"] == "3.673385"
    assert hourly["a2-megagpu-16g", "us-central1"] == "55.739504"


def test_googles_recorded_rates_are_read_with_their_whole_dollars():
    """The recorded SKUs put into Iowa, beside parts of the machine that cost nothing to speak of."""
    (document,) = recorded(
        "gcp_catalog", "gcp/billing_skus_gpu_2025-06-17.json", unwrap=lambda skus: {"skus": [*iowa(skus)]}
    )
    hourly = {
        (o.gpu_label, o.purchase_option.value): usd_per_hour(o) / o.gpu_count
        for o in get("gcp_catalog").parse(document)
        if isinstance(o, Offer) and o.instance_type == "a2-highgpu-8g"
    }
    assert hourly["A100", "on_demand"].quantize(Decimal("0.01")) == Decimal("2.93")


def iowa(skus):
    (a100,) = [sku for sku in skus if sku["description"] == "Nvidia Tesla A100 GPU running in Americas"]
    expression = a100["pricingInfo"][0]["pricingExpression"]
    for name, unit in (("A2 Instance Core", "h"), ("A2 Instance Ram", "GiBy.h")):
        cheap = {"currencyCode": "USD", "units": "0", "nanos": 1000}
        rates = [{"startUsageAmount": 0, "unitPrice": cheap}]
        info = {**a100["pricingInfo"][0]}
        info["pricingExpression"] = {**expression, "usageUnit": unit, "tieredRates": rates}
        yield placed({"skuId": name, "description": f"{name} running in Americas", "pricingInfo": [info]})
    yield placed(a100)


def placed(sku):
    return {**sku, "serviceRegions": ["us-central1"], "category": {"usageType": "OnDemand"}}


def test_googles_error_answer_is_an_error():
    (document,) = recorded("gcp_catalog", "gcp/billing_skus_error_opencost.json")
    with pytest.raises(ParseError, match="API key not valid"):
        list(get("gcp_catalog").parse(document))


def test_oracles_instances_cost_their_gpus():
    _, facts = parsed("oci_price_list", ["oci/products_gpu_2026-10.json"])
    hourly = {offer.instance_type: usd_per_hour(offer) for offer in facts if isinstance(offer, Offer)}
    assert (hourly["BM.GPU.H100.8"], hourly["BM.GPU.B300.8"], hourly["BM.GPU.GB200.4"]) == (80, 120, 64)

"""How the catalog's parts become machines, one gotcha each."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from gpuledger.core.count import decimal_text
from gpuledger.core.document import Document, Request
from gpuledger.core.errors import ParseError
from gpuledger.core.offer import Offer, PurchaseOption, Skipped
from gpuledger.core.provider import instance_shapes
from gpuledger.core.published import usd_per_hour
from gpuledger.scrapers.gcp_catalog import GPUS, SOURCE, follow, parse, parse_batch, way_of_buying
from gpuledger.scrapers.gcp_page import BUILDS


def sku(description, dollars, *, unit="h", usage="OnDemand", regions=("us-central1",), **changes):
    whole = int(Decimal(dollars))
    price = {"currencyCode": "USD", "units": str(whole), "nanos": int((Decimal(dollars) - whole) * 10**9)}
    expression = {
        "usageUnit": unit,
        "tieredRates": [{"startUsageAmount": 0, "unitPrice": {**price, **changes}}],
    }
    return {
        "skuId": f"{abs(hash((description, dollars))) % 10**8:08d}",
        "description": description,
        "category": {"resourceFamily": "Compute", "resourceGroup": "GPU", "usageType": usage},
        "serviceRegions": list(regions),
        "pricingInfo": [{"effectiveTime": "2026-09-10T10:52:50.681Z", "pricingExpression": expression}],
    }


def page(*skus, token=""):
    return Document(
        source="gcp_catalog",
        request=Request(url="https://cloudbilling.googleapis.com/"),
        body=json.dumps({"skus": list(skus), "nextPageToken": token}).encode(),
        fetched_at=datetime(2026, 10, 7, tzinfo=UTC),
    )


def hourly(*documents):
    found = [fact for _, fact in parse_batch(documents) if isinstance(fact, Offer)]
    return {
        (o.instance_type, o.purchase_option.value, o.term_months): decimal_text(usd_per_hour(o))
        for o in found
    }


def reasons(*skus):
    return [fact.reason for fact in parse(page(*skus)) if isinstance(fact, Skipped)]


A100 = sku("Nvidia Tesla A100 GPU running in Americas", "2.933908")
CORE = sku("A2 Instance Core running in Americas", "0.031611")
RAM = sku("A2 Instance Ram running in Americas", "0.004237", unit="GiBy.h")
A100_80 = sku("Nvidia Tesla A100 80GB GPU running in Americas", "3.92808")
SSD = sku("SSD backed Local Storage", "0.08", unit="GiBy.mo")


def test_a_machine_is_the_sum_of_its_parts():
    prices = hourly(page(A100, CORE, RAM))
    # the published price of a2-highgpu-1g in us-central1, 2025-03-06
    assert prices["a2-highgpu-1g", "on_demand", None] == "3.673385"


def test_local_ssd_that_comes_with_a_machine_is_added():
    prices = hourly(page(A100_80, CORE, RAM, SSD))
    # the published price of a2-ultragpu-8g in us-central1, 2025-03-06
    assert prices["a2-ultragpu-8g", "on_demand", None] == "40.550383"


def test_parts_on_several_pages_are_joined():
    assert hourly(page(A100), page(CORE), page(RAM)) == hourly(page(A100, CORE, RAM))


@pytest.mark.parametrize("missing", [A100_80, CORE, RAM, SSD], ids=lambda sku: sku["description"])
def test_a_machine_without_the_price_of_one_part_has_no_price(missing):
    assert hourly(page(*(part for part in (A100_80, CORE, RAM, SSD) if part is not missing))) == {}


def test_the_whole_dollars_are_in_units_a_string():
    (price,) = A100["pricingInfo"][0]["pricingExpression"]["tieredRates"]
    assert price["unitPrice"] == {"currencyCode": "USD", "units": "2", "nanos": 933908000}


@pytest.mark.parametrize(
    "changes",
    [
        {"units": 2},
        {"units": None},
        {"units": "2.9"},
        {"nanos": "933908000"},
        {"nanos": None},
        {"nanos": 10**9},
    ],
)
def test_a_price_that_is_not_units_and_nanos_is_not_guessed(changes):
    broken = sku("Nvidia Tesla A100 GPU running in Americas", "2.933908", **changes)
    assert hourly(page(broken, CORE, RAM)) == {}
    assert "a price that cannot be read" in reasons(broken)


def test_plus_is_another_name_of_the_mega_gpu_and_goes_with_a3plus_parts():
    parts = [
        sku("Nvidia H100 80GB Plus GPU running in Americas", "10.344275712"),
        sku("A3Plus Instance Core running in Americas", "0.026924"),
        sku("A3Plus Instance Ram running in Americas", "0.002344", unit="GiBy.h"),
        sku("A3 Instance Core running in Americas", "0.5"),
        sku("A3 Instance Ram running in Americas", "0.5", unit="GiBy.h"),
        SSD,
    ]
    assert hourly(page(*parts)) == {("a3-megagpu-8g", "on_demand", None): "93.3999"}
    assert hourly(page(*parts[:1], *parts[2:])) == {}


def test_decimal_gigabytes_are_counted_as_such():
    parts = [
        sku("RTX 6000 96GB running in Americas", "3.1"),
        sku("G4 Instance Core running in Americas", "0.024"),
        sku("G4 Instance Ram running in Americas", "0.0021", unit="GBy.h"),
    ]
    expected = Decimal("3.1") + 48 * Decimal("0.024") + 180 * Decimal("1.073741824") * Decimal("0.0021")
    assert hourly(page(*parts))["g4-standard-48", "on_demand", None] == decimal_text(expected)


def test_a4_is_sold_by_gpu_with_all_the_rest_and_not_on_demand():
    on_demand = sku("A4 Nvidia B200 (1 gpu slice) running in Americas", "16.11")
    # Google files this spot SKU under the usage type OnDemand
    spot = sku("Spot Preemptible A4 Nvidia B200 (1 gpu slice) running in Americas", "4.9542")
    assert hourly(page(on_demand, spot)) == {("a4-highgpu-8g", "spot", None): "39.6336"}
    assert reasons(on_demand) == ["sold only as spot, flex-start or by reservation"]


def test_a_tpu_is_priced_per_chip_for_the_whole_host():
    prices = hourly(page(sku("TpuV6e running in Dallas", "2.7")))
    assert prices["ct6e-standard-8t", "on_demand", None] == "21.6"


def test_calendar_mode_is_a_capacity_block():
    prices = hourly(page(sku("Reserved TpuV5p in Delhi in Calendar Mode", "2.94")))
    assert prices == {("ct5p-hightpu-4t", "capacity_block", None): "11.76"}


@pytest.mark.parametrize(
    ("description", "way", "name"),
    [
        (
            "Commitment v1: Nvidia Tesla A100 GPU running in Warsaw for 3 Year",
            "3 years",
            "Nvidia Tesla A100 GPU",
        ),
        ("Commitment v1: H200 141GB GPU running in Netherlands for 1 Year", "1 year", "H200 141GB GPU"),
        ("Commitment v1: A3 Cpu in Americas for 3 Years", "3 years", "A3 Cpu"),
        ("Nvidia L4 GPU attached to Spot Preemptible VMs running in Dammam", "spot", "Nvidia L4 GPU"),
        ("Spot Preemptible A3Plus Instance Core running in Tokyo", "spot", "A3Plus Instance Core"),
        ("SSD backed Local Storage in Hong Kong", "on demand", "SSD backed Local Storage"),
        (
            "Reserved Nvidia Tesla A100 GPU in Milan",
            "sold only by reservation, without a price of its own",
            "",
        ),
        ("Licensing Fee for NVIDIA Quadro Virtual Workstation (GPU cost)", "a licence", ""),
        (
            "Nvidia Tesla P4 GPU attached to DWS Defined Duration VMs running in Americas",
            "DWS flex-start is queued for, not bought at will",
            "",
        ),
    ],
)
def test_the_description_says_what_is_bought_and_how(description, way, name):
    assert way_of_buying(description) == (way, name)


def test_a_usage_type_that_contradicts_the_description_is_not_believed():
    odd = sku("Nvidia Tesla A100 GPU running in Americas", "1.15", usage="Preemptible")
    assert reasons(odd) == ["a usage type that contradicts the description"]


def test_two_skus_that_disagree_about_a_part_give_no_price():
    other = sku("Nvidia Tesla A100 GPU running in Iowa", "1.9")
    assert hourly(page(A100, other, CORE, RAM)) == {}
    assert reasons(A100, other).count("two SKUs price this part differently") == 2


def test_the_sku_for_fewer_regions_is_nearer():
    wide = sku("Nvidia Tesla A100 GPU running in EMEA", "9.9", regions=("us-central1", "us-east1"))
    assert hourly(page(A100, wide, CORE, RAM))["a2-highgpu-1g", "on_demand", None] == "3.673385"


def test_a_committed_machine_carries_its_term():
    parts = [
        sku("Commitment v1: Nvidia Tesla A100 GPU running in Americas for 1 Year", "1.8", usage="Commit1Yr"),
        sku("Commitment v1: A2 Cpu in Americas for 1 Year", "0.02", usage="Commit1Yr"),
        sku("Commitment v1: A2 Ram in Americas for 1 Year", "0.002", usage="Commit1Yr", unit="GiBy.h"),
    ]
    found = [fact for fact in parse(page(*parts)) if isinstance(fact, Offer)]
    assert {(offer.purchase_option, offer.term_months) for offer in found} == {(PurchaseOption.RESERVED, 12)}


def test_every_label_of_a_sku_has_a_machine_with_its_whole_shape():
    shapes = [shape for shape in instance_shapes().values() if shape.provider == "gcp"]
    built = [shape for shape in shapes if shape.instance_type.rpartition("-")[0] in BUILDS]
    assert {shape.gpu_label for shape in built} == set(GPUS.values()) - {"K80"}
    assert all(shape.vcpus and shape.memory_gib for shape in built)


def test_an_error_answer_is_an_error():
    body = {"error": {"code": 400, "message": "API key not valid."}}
    answer = Document(
        source="gcp_catalog",
        request=Request(url="https://cloudbilling.googleapis.com/"),
        body=json.dumps(body).encode(),
        fetched_at=datetime(2026, 10, 7, tzinfo=UTC),
    )
    with pytest.raises(ParseError, match="API key not valid"):
        list(parse(answer))


def test_the_next_page_needs_the_key_again_and_does_not_name_it():
    (request,) = follow(page(token="AJ5Z+9=="))
    assert request.url.endswith("&pageToken=AJ5Z%2B9%3D%3D")
    assert request.credential == SOURCE.credentials[0]
    assert "key=" not in request.url
    assert list(follow(page())) == []

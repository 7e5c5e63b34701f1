"""What Oracle's parts and shapes mean together, one gotcha each."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from gpuledger.core.document import Document, Request
from gpuledger.core.errors import ParseError
from gpuledger.core.offer import Offer, PurchaseOption, Skipped, StoragePrice, TransferPrice
from gpuledger.core.published import usd_per_hour
from gpuledger.scrapers.oci_price_list import follow, parse, parse_batch
from tools.captures import read_capture

CAPTURES = Path(__file__).resolve().parents[1] / "captures" / "oci_price_list"


def part(code, name, *tiers, metric="GPU Per Hour"):
    prices = [{"model": "PAY_AS_YOU_GO", "value": tier} for tier in tiers]
    return {
        "partNumber": code,
        "displayName": name,
        "metricName": metric,
        "serviceCategory": "Compute - GPU",
        "currencyCodeLocalizations": [{"currencyCode": "USD", "prices": prices}],
    }


def shape(name, gpus, *products, **changes):
    listed = [
        {"partNumber": code, "qty": quantity, "type": {"value": kind}} for code, quantity, kind in products
    ]
    return {
        "name": name,
        "hidden": False,
        "status": "ACTIVE",
        "allowPreemptible": False,
        "bundleMemoryQty": 2048,
        "gpuQty": gpus,
        "shapeType": {"value": "bm"},
        "products": listed,
        **changes,
    }


def document(*items, **more):
    return Document(
        source="oci_price_list",
        request=Request(url="https://apexapps.oracle.com/"),
        body=json.dumps({"items": list(items), **more}).encode(),
        fetched_at=datetime(2026, 10, 7, tzinfo=UTC),
    )


H100 = part("B98415", "Oracle Cloud Infrastructure - Compute - GPU - H100", 10)


def offers(*documents):
    return [fact for _, fact in parse_batch(documents) if isinstance(fact, Offer)]


def reasons(*documents):
    return [fact.reason for _, fact in parse_batch(documents) if isinstance(fact, Skipped)]


def test_a_part_is_priced_per_gpu_and_the_shape_says_how_many():
    (offer,) = offers(document(H100), document(shape("BM.GPU.H100.8", 8, ("B98415", 8, "ocpu"))))
    assert (offer.gpu_count, offer.price.amount, usd_per_hour(offer)) == (8, 10, 80)


def test_without_the_estimator_the_known_shapes_are_priced():
    assert [offer.instance_type for offer in offers(document(H100))] == ["BM.GPU.H100.8"]


def test_other_parts_that_a_shape_lists_are_added_once_for_the_instance():
    memory = part("B93114", "Compute - Memory", 0.002, metric="Gigabyte Per Hour")
    listed = document(
        shape("BM.GPU.H100.8", 8, ("B98415", 8, "ocpu"), ("B93114", 2048, "memory")),
    )
    (offer,) = offers(document(H100, memory), listed)
    assert usd_per_hour(offer) == Decimal("84.096")


def test_a_shape_with_an_unpriced_part_is_not_sold_too_cheap():
    listed = document(shape("BM.GPU.H100.8", 8, ("B98415", 8, "ocpu"), ("B93114", 2048, "memory")))
    assert reasons(document(H100), listed) == ["a part of the shape is not priced by the hour"]


def test_preemptible_capacity_costs_half_where_the_shape_allows_it():
    v2 = part("B89734", "Compute - GPU Standard - V2", 2.95)
    listed = document(shape("VM.GPU3.1", 1, ("B89734", 1, "ocpu"), allowPreemptible=True))
    prices = {offer.purchase_option: offer.price.amount for offer in offers(document(v2), listed)}
    assert prices == {PurchaseOption.ON_DEMAND: Decimal("2.95"), PurchaseOption.SPOT: Decimal("1.475")}


def test_a_suffix_of_the_shapes_name_is_not_part_of_it():
    gb200 = part("B110979", "OCI - Compute - GPU - GB200", 16)
    listed = document(shape("BM.GPU.GB200.4 (NVL72)", 4, ("B110979", 4, "ocpu")))
    (offer,) = offers(document(gb200), listed)
    assert (offer.instance_type, usd_per_hour(offer)) == ("BM.GPU.GB200.4", 64)


def test_h100t_is_not_an_h100():
    assert reasons(document(part("B109480", "OCI - Compute - GPU - H100T", 10.75))) == [
        "no shape is billed by this part"
    ]


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (
            part("B111824", "OCI - NVIDIA AI Enterprise - GPU", 1.55),
            "a licence or Cloud@Customer, not a GPU by the hour",
        ),
        (
            part("B111999", "Compute Cloud@Customer - GPU - L40S", 1.9),
            "a licence or Cloud@Customer, not a GPU by the hour",
        ),
        (part("B98415", "Compute - GPU - H100", 80, metric="GPU Node Per Hour"), "not sold per GPU-hour"),
        (part("B98415", "Compute - GPU - H100", 240, metric="GPU Per Day"), "not sold per GPU-hour"),
        (part("B98415", "Compute - GPU - H100", 0), "no price, or one by volume"),
        (part("B98415", "Compute - GPU - H100", 10, 9), "no price, or one by volume"),
        (
            part("B98415", "Compute - GPU - H100", None),
            "a price that is not pay as you go, or not a number",
        ),
    ],
)
def test_a_row_that_is_no_gpu_by_the_hour_says_why(item, reason):
    assert reasons(document(item)) == [reason]


def test_a_free_first_tier_is_not_the_price_of_a_gpu():
    (offer,) = offers(document(part("B98415", "Compute - GPU - H100", 0, 10)))
    assert offer.price.amount == 10


def test_tiers_without_bounds_are_not_taken_for_free_storage():
    item = part("B91628", "Object Storage - Storage", 0, 0.0255, metric="Gigabyte Storage Capacity Per Month")
    assert reasons(document(item)) == ["tiers without their bounds, or not by the gigabyte"]


def test_storage_and_transfer_keep_their_tiers():
    facts = list(parse(read_capture("oci_price_list", CAPTURES / "prices.json")))
    egress = [(f.region, f.from_gb, f.amount_per_gb) for f in facts if isinstance(f, TransferPrice)]
    assert egress == [("global", 0, 0), ("global", 10240, Decimal("0.0085"))]
    kinds = {f.kind: f.amount_per_gb_month for f in facts if isinstance(f, StoragePrice)}
    assert kinds == {"block": Decimal("0.0255"), "object": Decimal("0.0255"), "file": Decimal("0.3")}


@pytest.mark.parametrize("changes", [{"gpuQty": 2048}, {"gpuQty": 4}, {"name": "BM.GPU.H100.80"}])
def test_a_quantity_that_contradicts_the_shapes_name_is_not_a_gpu_count(changes):
    listed = {**shape("BM.GPU.H100.8", 8, ("B98415", 8, "ocpu")), **changes}
    known = shape("VM.GPU.A10.1", 1, ("B95909", 1, "ocpu"))
    assert offers(document(H100), document(listed, known)) == []


def test_two_prices_of_one_part_are_a_contradiction():
    with pytest.raises(ParseError, match="two prices of part"):
        list(parse(document(H100, part("B98415", "Compute - GPU - H100", 11))))


def test_the_next_page_is_followed_on_the_same_host_only():
    href = "https://apexapps.oracle.com/pls/apex/cetools/api/v1/products/?offset=500"
    (request,) = follow(document(H100, links=[{"rel": "next", "href": href}]))
    assert request.url == href
    with pytest.raises(ParseError, match="leads away"):
        list(follow(document(H100, links=[{"rel": "next", "href": "https://example.org/"}])))

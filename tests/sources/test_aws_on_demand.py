"""AWS maps: one gotcha a test, on small answers of the real shape."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from gpuledger.core.document import Document, Request
from gpuledger.core.errors import ParseError
from gpuledger.core.offer import Fact, Offer, Skipped, StoragePrice, TransferPrice
from gpuledger.scrapers.aws_on_demand import SOURCE, follow, parse

VIRGINIA = "US East (N. Virginia)"
P5 = {
    "price": "55.0400000000",
    "Instance Type": "p5.48xlarge",
    "Instance Family": "GPU instance",
    "vCPU": "192",
    "Storage": "8 x 3840 GB SSD",
    "Network Performance": "3200 Gigabit",
    "Operating System": "Linux",
    "Pre Installed S/W": "NA",
}


def document(answer: Any, **context: str) -> Document:
    return Document(
        source=SOURCE.name,
        request=Request(url="https://b0.p.awsstatic.com/map.json", context=context),
        body=json.dumps(answer).encode(),
        fetched_at=datetime(2026, 10, 7, tzinfo=UTC),
    )


def regional(*entries: dict[str, Any], location: str = VIRGINIA, **context: str) -> list[Fact]:
    charges = {f"charge {number}": entry for number, entry in enumerate(entries)}
    answer = {"manifest": {"currencyCode": "USD"}, "regions": {location: charges}, "sets": {}}
    return list(parse(document(answer, **context)))


def only(facts: list[Fact]) -> Any:
    assert len(facts) == 1
    return facts[0]


def test_the_price_is_for_the_whole_instance():
    offer = only(regional(P5))
    assert (offer.price.amount, offer.price.unit, offer.gpu_count) == (Decimal("55.04"), "hour", 8)
    assert (offer.sku, offer.region, offer.gpu_label) == ("p5.48xlarge", "us-east-1", "p5.48xlarge")
    assert (offer.local_storage_gb, offer.network) == (30720, "3200 Gigabit")


def test_one_h100_costs_6_88():
    offer = only(regional({**P5, "price": "6.8800000000", "Instance Type": "p5.4xlarge", "vCPU": "16"}))
    assert (offer.price.amount, offer.gpu_count) == (Decimal("6.88"), 1)


def test_a_slice_counts_as_the_fraction_of_its_card():
    offer = only(regional({**P5, "price": "0.2020000000", "Instance Type": "g6f.large", "vCPU": "2"}))
    assert offer.gpu_count == Decimal("0.125")
    assert offer.gpu_memory_gib == Decimal("22.35")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"price": "0.0000000000"}, "a price of zero"),
        ({"price": ""}, "no price"),
        ({"price": None}, "no price"),
        ({"price": "55,04"}, "the price is not a plain number"),
        ({"price": "$55.04"}, "the price is not a plain number"),
        ({"price": "98320000"}, "the price is out of bounds"),
        ({"Operating System": "Windows"}, "not Linux"),
        ({"Pre Installed S/W": "SQL Web"}, "with licensed software"),
        ({"vCPU": "96"}, "vCPUs differ from the seed"),
        ({"Instance Type": "p7.48xlarge"}, "an accelerator type that the seed lacks"),
        ({"Instance Type": "c7i.large", "Instance Family": "Compute optimized"}, "no accelerator"),
        ({"Instance Type": "vt1.3xlarge", "vCPU": "12"}, "no GPU or AI accelerator"),
        ({"Instance Type": "f2.6xlarge", "vCPU": "24"}, "no GPU or AI accelerator"),
    ],
)
def test_a_row_that_is_no_linux_accelerator_price_is_left_out(change: dict[str, Any], reason: str):
    assert only(regional({**P5, **change})).reason == reason


def test_trainium_and_inferentia_count_chips():
    offer = only(regional({**P5, "price": "21.5", "Instance Type": "trn1.32xlarge", "vCPU": "128"}))
    assert (offer.gpu_count, offer.gpu_memory_gib) == (16, 32)


@pytest.mark.parametrize("location", ["EU (Frankfurt)", "Europe (Frankfurt)"])
def test_both_spellings_of_a_european_place_are_one_region(location: str):
    assert only(regional(P5, location=location)).region == "eu-central-1"


def test_a_new_place_has_the_region_that_was_asked_for():
    assert only(regional(P5, location="Middle East (Riyadh)", region="me-west-1")).region == "me-west-1"


def test_a_place_nobody_knows_is_left_out():
    assert only(regional(P5, location="US West (Los Angeles)")).reason == "a place without a region code"


def test_one_type_at_two_prices_is_an_error():
    with pytest.raises(ParseError, match=r"p5\.48xlarge .* 55\.04.* 98\.32"):
        regional(P5, {**P5, "price": "98.3200000000"})


def test_the_region_list_leads_to_a_map_per_region_and_to_no_local_zone():
    places = {
        name: {"name": name, "code": code, "type": kind}
        for name, code, kind in [
            (VIRGINIA, "us-east-1", "AWS Region"),
            ("US West (Los Angeles)", "us-west-2-lax-1", "AWS Local Zone"),
            ("US East (Verizon) - Boston", "us-east-1-wl1-bos1", "AWS Wavelength Zone"),
        ]
    }
    requests = list(follow(document(places)))
    assert [request.context["region"] for request in requests] == ["us-east-1"]
    assert requests[0].url.endswith("/US%20East%20%28N.%20Virginia%29/Linux/index.json")
    reasons = {fact.reason for fact in parse(document(places)) if isinstance(fact, Skipped)}
    assert reasons == {"a local or wavelength zone, not a region"}


def test_a_map_leads_nowhere():
    assert not list(follow(document({"regions": {}})))


@pytest.mark.parametrize(
    "answer", [{}, [], {"error": "x"}, {"regions": []}, {"manifest": {}, "regions": {"x": 1}}]
)
def test_another_shape_is_an_error(answer: Any):
    with pytest.raises(ParseError):
        list(parse(document(answer)))


def test_the_manifest_names_the_currency():
    answer = {"manifest": {"currencyCode": "CNY"}, "regions": {"China (Beijing)": {"p5": P5}}}
    offer = only(list(parse(document(answer))))
    assert isinstance(offer, Offer)
    assert (offer.price.currency, offer.region) == ("CNY", "cn-north-1")


def test_ebs_and_s3_charges_are_storage_prices_with_their_tier():
    gp3, first, over = (
        only(list(parse(document({"manifest": {}, "regions": {VIRGINIA: {charge: {"price": price}}}}))))
        for charge, price in [
            ("Storage General Purpose gp3 GB Mo", "0.0800000000"),
            ("Standard Storage First 50 TB per GB Mo", "0.0230000000"),
            ("Standard Storage Over 500 TB per GB Mo", "0.0210000000"),
        ]
    )
    assert isinstance(gp3, StoragePrice)
    assert (gp3.sku, gp3.kind, gp3.amount_per_gb_month, gp3.from_gb) == ("gp3", "block", Decimal("0.08"), 0)
    assert (first.kind, first.from_gb, over.from_gb) == ("object", 0, 512000)


def test_egress_has_tiers_and_ingress_is_free():
    charges = {
        "DataTransfer External Inbound": {"price": "0.0000000000"},
        "DataTransfer External Outbound Next 10 TB": {"price": "0.0900000000"},
        "DataTransfer External Outbound Greater than 150 TB": {"price": "0.0500000000"},
    }
    facts = list(parse(document({"manifest": {}, "regions": {VIRGINIA: charges}})))
    prices = [(f.direction, f.from_gb, f.amount_per_gb) for f in facts if isinstance(f, TransferPrice)]
    assert prices == [
        ("ingress", 0, 0),
        ("egress", 100, Decimal("0.09")),
        ("egress", 153600, Decimal("0.05")),
    ]


def test_a_charge_nobody_asked_for_is_counted():
    answer = {"manifest": {}, "regions": {VIRGINIA: {"Storage Snapshot Amazon S3 GB Mo": {"price": "0.05"}}}}
    assert only(list(parse(document(answer)))).reason == "another charge"

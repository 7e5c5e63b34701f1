"""Capacity Blocks of AWS: which rows of the page and which offerings hold a price."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from gpuledger.core.document import Document, Request
from gpuledger.core.errors import ParseError
from gpuledger.core.offer import Fact, Offer, Skipped
from gpuledger.scrapers.aws_capacity_blocks import SOURCE, parse

HEADER = "Instance Type|Region|Effective Instance Hourly Rate|Effective Accelerator Hourly Rate|vCPUs"
P5 = "p5.48xlarge|US East (Ohio)|$31.464|$3.933|192"

OFFERING = {
    "instanceType": "p5.48xlarge",
    "availabilityZone": "us-east-1a",
    "instanceCount": "2",
    "capacityBlockDurationHours": "48",
    "upfrontFee": "3020.544",
    "currencyCode": "USD",
}


def document(body: str, **context: str) -> Document:
    request = Request(url="https://aws.example/", context=context)
    return Document(
        source=SOURCE.name, request=request, body=body.encode(), fetched_at=datetime(2026, 10, 7, tzinfo=UTC)
    )


def page(*lines: str) -> list[Fact]:
    cells = ("".join(f"<td>{cell}</td>" for cell in line.split("|")) for line in lines)
    table = "".join(f"<tr>{line}</tr>" for line in cells)
    return list(parse(document(f"<html><body><table>{table}</table></body></html>")))


def offerings(*items: dict[str, str], region: str = "us-east-1") -> list[Fact]:
    members = ("".join(f"<{name}>{value}</{name}>" for name, value in item.items()) for item in items)
    listed = "".join(f"<item>{item}</item>" for item in members)
    action = "DescribeCapacityBlockOfferingsResponse"
    body = f"<{action}><capacityBlockOfferingSet>{listed}</capacityBlockOfferingSet></{action}>"
    return list(parse(document(body, region=region)))


def summary(facts: list[Fact]) -> list[object]:
    return [
        (fact.region, fact.zone, str(fact.price.amount)) if isinstance(fact, Offer) else fact.reason
        for fact in facts
        if isinstance(fact, (Offer, Skipped))
    ]


def test_the_rate_is_for_the_whole_instance():
    (offer,) = page(HEADER, P5)
    assert isinstance(offer, Offer)
    assert (offer.purchase_option, offer.gpu_count, offer.price.unit) == ("capacity_block", 8, "hour")
    assert offer.price.amount == Decimal("31.464")


def test_one_block_has_at_most_64_instances():
    (offer,) = page(HEADER, P5)
    assert isinstance(offer, Offer)
    assert offer.max_gpus == 64 * 8


@pytest.mark.parametrize(
    "places", ["US East (Ohio), Europe (London)", "US East (Ohio)<br>Europe (London)", "us-east-2, eu-west-2"]
)
def test_a_row_may_name_several_regions(places: str):
    found = summary(page(HEADER, P5.replace("US East (Ohio)", places)))
    assert found == [("us-east-2", None, "31.464"), ("eu-west-2", None, "31.464")]


@pytest.mark.parametrize(
    ("found", "put", "reason"),
    [
        ("$31.464", "$0.00", "no published price"),
        ("$31.464", "from $31.464", "no published price"),
        ("$31.464", "31,464", "no published price"),
        ("$3.933", "", "no published price"),
        ("$31.464|$3.933", "$3.933|$31.464", "the rates of instance and accelerator contradict each other"),
        ("$31.464", "$3.933", "the rates of instance and accelerator contradict each other"),
        ("US East (Ohio)", "US East (Atlantis)", "a place without a region code"),
        ("p5.48xlarge", "p7.48xlarge", "an accelerator type that the seed lacks"),
        ("|192", "", "another number of columns than the header"),
    ],
)
def test_a_row_without_a_sure_price_is_left_out(found: str, put: str, reason: str):
    assert summary(page(HEADER, P5.replace(found, put))) == [reason]


def test_columns_are_told_by_their_titles():
    header, line = ("|".join(text.split("|")[place] for place in (4, 2, 1, 3, 0)) for text in (HEADER, P5))
    assert summary(page(header, line)) == [("us-east-2", None, "31.464")]


def test_both_rates_may_stand_in_one_column():
    header = "Instance Type|Region|Effective hourly rate per instance (and per accelerator)|vCPUs"
    line = "p5.48xlarge|US East (Ohio)|$31.464 USD ($3.933 USD)|192"
    assert summary(page(header, line)) == [("us-east-2", None, "31.464")]


def test_a_page_without_the_table_is_refused():
    with pytest.raises(ParseError, match="hourly rate"):
        page("Instance Type|Price", "p5.48xlarge|$31.464")


def test_the_fee_is_the_total_of_all_instances_and_hours():
    assert summary(offerings(OFFERING)) == [("us-east-1", "us-east-1a", "31.464000")]


def test_of_a_zone_the_cheapest_block_counts():
    dearer = {**OFFERING, "upfrontFee": "4000"}
    elsewhere = {**OFFERING, "availabilityZone": "us-east-1b", "upfrontFee": "3840"}
    assert summary(offerings(dearer, elsewhere, OFFERING)) == [
        ("us-east-1", "us-east-1a", "31.464000"),
        ("us-east-1", "us-east-1b", "40.000000"),
        "not the cheapest block of its zone",
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"upfrontFee": "0.000000"}, "a price of zero"),
        ({"upfrontFee": "3020,544"}, "the price is not a plain number"),
        ({"currencyCode": "CNY"}, "not in US dollars on shared hardware"),
        ({"tenancy": "dedicated"}, "not in US dollars on shared hardware"),
        ({"capacityBlockDurationHours": "0"}, "no hours or instances"),
        ({"instanceCount": ""}, "no hours or instances"),
        ({"availabilityZone": "us-west-2a"}, "not a zone of the region"),
        ({"instanceType": "p7.48xlarge"}, "an accelerator type that the seed lacks"),
    ],
)
def test_an_offering_without_a_sure_price_is_left_out(change: dict[str, str], reason: str):
    assert summary(offerings({**OFFERING, **change})) == [reason]


def test_an_answer_without_its_region_is_refused():
    with pytest.raises(ParseError, match="the context must name it"):
        offerings(OFFERING, region="")

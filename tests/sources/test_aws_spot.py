"""AWS spot answers: one gotcha a test, on small answers of the real shape."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from gpuledger.core.document import Document, Request
from gpuledger.core.errors import ParseError
from gpuledger.core.offer import Fact, InterruptionBand, Offer
from gpuledger.scrapers.aws_spot import SOURCE, parse


def document(body: bytes, **context: str) -> Document:
    return Document(
        source=SOURCE.name,
        request=Request(url="https://website.spot.ec2.aws.a2z.com/spot.json", context=context),
        body=body,
        fetched_at=datetime(2026, 10, 7, 8, tzinfo=UTC),
    )


def size(name: str, linux: Any, windows: Any = "N/A*") -> dict[str, Any]:
    prices = {"linux": linux, "mswin": windows}
    return {
        "size": name,
        "valueColumns": [{"name": system, "prices": {"USD": price}} for system, price in prices.items()],
    }


def answer(*sizes: dict[str, Any], region: str = "us-east", family: str = "gpuCurrentGen") -> dict[str, Any]:
    listed = [{"region": region, "instanceTypes": [{"type": family, "sizes": list(sizes)}]}]
    return {"config": {"rate": "perhr", "valueColumns": ["linux", "mswin"], "regions": listed}}


def feed(*sizes: dict[str, Any], **where: str) -> list[Fact]:
    return list(parse(document(json.dumps(answer(*sizes, **where)).encode())))


def offers(facts: list[Fact]) -> list[Offer]:
    return [fact for fact in facts if isinstance(fact, Offer)]


def reasons(facts: list[Fact]) -> list[str]:
    return [getattr(fact, "reason", "") for fact in facts]


def test_the_price_is_for_the_whole_instance():
    (offer,) = offers(feed(size("p5.48xlarge", "19.4933")))
    assert (offer.price.amount, offer.price.unit, offer.gpu_count) == (Decimal("19.4933"), "hour", 8)
    assert offer.purchase_option == "spot"


@pytest.mark.parametrize(
    ("name", "region"),
    [
        ("us-east", "us-east-1"),
        ("us-west", "us-west-1"),
        ("eu-ireland", "eu-west-1"),
        ("apac-sin", "ap-southeast-1"),
        ("apac-syd", "ap-southeast-2"),
        ("apac-tokyo", "ap-northeast-1"),
        ("eu-central-1", "eu-central-1"),
    ],
)
def test_an_old_region_name_is_the_region_it_stands_for(name: str, region: str):
    assert offers(feed(size("p5.48xlarge", "19.4933"), region=name))[0].region == region


def test_an_exponent_is_a_price():
    assert offers(feed(size("g5.xlarge", "9.12E-1")))[0].price.amount == Decimal("0.912")


@pytest.mark.parametrize(
    ("price", "reason"),
    [
        ("N/A*", "no price"),
        ("N/A", "no price"),
        (None, "no price"),
        ("0", "a price of zero"),
        ("19,4933", "the price is not a plain number"),
        ("1e999999999", "the price is not a plain number"),
    ],
)
def test_a_size_without_a_price_is_left_out(price: Any, reason: str):
    assert reasons(feed(size("p5.48xlarge", price))) == [reason, "not Linux"]


def test_a_windows_price_is_left_out_even_where_it_is_cheaper():
    facts = feed(size("g4dn.xlarge", "0.3196", "0.2535"))
    assert [offer.price.amount for offer in offers(facts)] == [Decimal("0.3196")]


def test_a_size_listed_twice_is_one_offer():
    facts = feed(size("g6.12xlarge", "2.846"), size("g6.12xlarge", "2.846"))
    assert len(offers(facts)) == 1
    assert reasons(facts).count("listed twice") == 1


def test_a_size_listed_at_two_prices_is_an_error():
    with pytest.raises(ParseError, match=r"g6\.12xlarge"):
        feed(size("g6.12xlarge", "2.846"), size("g6.12xlarge", "1.423"))


def test_a_local_zone_is_left_out():
    facts = feed(size("g6.12xlarge", "3.1066"), region="us-east-1-atl-1")
    assert set(reasons(facts)) == {"a local or wavelength zone, not a region"}


def test_a_new_accelerator_type_is_told_apart_from_other_types():
    assert set(reasons(feed(size("p7.48xlarge", "51.1")))) == {"an accelerator type that the seed lacks"}
    assert set(reasons(feed(size("m5.large", "0.0301"), family="generalCurrentGen"))) == {"no accelerator"}


def test_video_cards_among_the_gpu_family_are_no_gpus():
    assert set(reasons(feed(size("vt1.24xlarge", "5.2")))) == {"no GPU or AI accelerator"}


def test_inferentia_among_the_gpu_family_counts_chips():
    assert offers(feed(size("inf1.6xlarge", "0.252")))[0].gpu_count == 4


def test_the_feed_may_come_wrapped_in_its_callback():
    body = b"callback(" + json.dumps(answer(size("p5.48xlarge", "19.4933"))).encode() + b");\n"
    assert len(offers(list(parse(document(body))))) == 1


def test_an_on_demand_feed_of_the_same_shape_is_refused():
    on_demand = answer(size("p5.48xlarge", "55.04"))
    on_demand["config"]["valueColumns"] = ["vCPU", "ECU", "memoryGiB", "storageGB", "linux"]
    with pytest.raises(ParseError, match="Windows columns"):
        list(parse(document(json.dumps(on_demand).encode())))


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b"<html></html>", b"<a>" * 100_000, b"[" * 100_000]
)
def test_another_shape_is_an_error(body: bytes):
    with pytest.raises(ParseError):
        list(parse(document(body, region="us-east-1")))


RANGES = [
    {"index": index, "label": label, "dots": index, "max": most}
    for index, (label, most) in enumerate(
        [("<5%", 5), ("5-10%", 11), ("10-15%", 16), ("15-20%", 22), (">20%", 100)]
    )
]


def advisor(**rates: Any) -> list[Fact]:
    listed = {"us-east-1": {"Linux": {"p5.48xlarge": rates}}}
    return list(parse(document(json.dumps({"ranges": RANGES, "spot_advisor": listed}).encode())))


@pytest.mark.parametrize(
    ("index", "low", "high"), [(0, 0, 0.05), (1, 0.05, 0.1), (2, 0.1, 0.15), (3, 0.15, 0.2), (4, 0.2, 1)]
)
def test_the_advisors_index_is_a_band_of_interruptions(index: int, low: float, high: float):
    assert advisor(s=65, r=index) == [
        InterruptionBand(provider="aws", instance_type="p5.48xlarge", region="us-east-1", low=low, high=high)
    ]


@pytest.mark.parametrize("rates", [{"s": 65, "r": 9}, {"s": 65}, {"s": 65, "r": None}])
def test_a_band_that_the_advisor_does_not_explain_is_left_out(rates: dict[str, Any]):
    assert reasons(advisor(**rates)) == ["an unknown band"]


ITEM = (
    "<item><instanceType>p5.48xlarge</instanceType><productDescription>Linux/UNIX</productDescription>"
    "<spotPrice>{}</spotPrice><timestamp>{}</timestamp><availabilityZone>{}</availabilityZone></item>"
)


def history(*items: str, region: str = "us-east-1") -> list[Fact]:
    listed = f"<spotPriceHistorySet>{''.join(items)}</spotPriceHistorySet>"
    body = f"<DescribeSpotPriceHistoryResponse>{listed}</DescribeSpotPriceHistoryResponse>"
    return list(parse(document(body.encode(), region=region)))


def test_of_a_zone_the_newest_price_counts():
    facts = history(
        ITEM.format("19.88", "2026-10-07T05:01:44.000Z", "us-east-1b"),
        ITEM.format("20.10", "2026-10-07T02:31:09.000Z", "us-east-1b"),
        ITEM.format("19.49", "2026-10-07T06:16:32.000Z", "us-east-1a"),
    )
    assert [(o.zone, o.price.amount) for o in offers(facts)] == [
        ("us-east-1b", Decimal("19.88")),
        ("us-east-1a", Decimal("19.49")),
    ]
    assert reasons(facts).count("an older price of the same zone") == 1


def test_a_zone_price_and_the_region_price_are_two_offers():
    (of_zone,) = offers(history(ITEM.format("19.49", "2026-10-07T06:16:32.000Z", "us-east-1a")))
    (of_region,) = offers(feed(size("p5.48xlarge", "19.49")))
    assert of_zone.offer_id != of_region.offer_id


def test_a_zone_of_another_region_is_left_out():
    facts = history(ITEM.format("19.49", "2026-10-07T06:16:32.000Z", "eu-west-1a"))
    assert reasons(facts) == ["no time, or not a zone of the region"]


def test_a_history_without_its_region_is_an_error():
    with pytest.raises(ParseError, match="context"):
        history(region="")


def test_xml_with_a_document_type_is_refused():
    answer = b"<DescribeSpotPriceHistoryResponse>&a;</DescribeSpotPriceHistoryResponse>"
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa">]>' + answer
    with pytest.raises(ParseError, match="document type"):
        list(parse(document(bomb, region="us-east-1")))

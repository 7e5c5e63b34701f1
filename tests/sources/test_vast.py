"""Vast.ai's peculiarities, one each."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from gpuledger.core.document import Document, Request
from gpuledger.core.offer import MarketSample, Offer, PurchaseOption
from gpuledger.scrapers import vast
from tools.captures import skipped_by_reason

AT = datetime(2026, 10, 7, tzinfo=UTC)


def document(body: Any, url: str = "https://a.example/") -> Document:
    content = body if isinstance(body, str) else json.dumps(body)
    return Document(source="vast", request=Request(url=url), body=content.encode(), fetched_at=AT)


def machine(**fields: Any) -> dict[str, Any]:
    known = {
        "id": 31100001,
        "machine_id": 41001,
        "gpu_name": "H100 SXM",
        "num_gpus": 8,
        "gpu_ram": 81559,
        "gpu_total_ram": 8 * 81559,
        "dph_base": 19.2,
        "dph_total": 19.28,
        "min_bid": 12.0,
        "geolocation": "Texas, US",
        "verification": "verified",
        "rentable": True,
        "rented": False,
    }
    return known | fields


def parse(*machines: dict[str, Any]) -> list[Any]:
    return list(vast.parse(document({"offers": machines})))


def test_the_price_is_that_of_the_whole_offer_with_its_disk():
    on_demand, spot, *_ = parse(machine())
    assert on_demand.price.amount == Decimal("19.28")
    assert on_demand.gpu_count == 8
    assert (spot.purchase_option, spot.price.amount) == (PurchaseOption.SPOT, Decimal("12.0"))


def test_a_machine_listed_again_under_a_new_id_is_the_same_offer():
    first, second = parse(machine())[0], parse(machine(id=31199999, dph_total=20.0))[0]
    assert first.offer_id == second.offer_id


def test_of_two_asks_of_one_machine_the_cheaper_stands():
    facts = parse(machine(dph_total=20.0), machine(id=31100002))
    assert [fact.price.amount for fact in facts if isinstance(fact, Offer)] == [
        Decimal("19.28"),
        Decimal("12.0"),
    ]
    assert skipped_by_reason(facts) == {"not the cheapest ask of its machine": 2}


@pytest.mark.parametrize("standing", ["unverified", "deverified", None])
def test_only_verified_hosts_count(standing: str | None):
    assert skipped_by_reason(parse(machine(verification=standing))) == {"host is not verified": 1}


@pytest.mark.parametrize("state", [{"rented": True}, {"rentable": False}, {"rented": None}])
def test_a_machine_that_is_not_for_rent_now_is_left_out(state: dict[str, Any]):
    assert skipped_by_reason(parse(machine(**state))) == {"not for rent now": 1}


def test_a_minimum_bid_above_the_on_demand_price_is_no_spot_price():
    facts = parse(machine(min_bid=26.67))
    assert skipped_by_reason(facts) == {"minimum bid is not below the on-demand price": 1}
    assert len([fact for fact in facts if isinstance(fact, Offer)]) == 1


@pytest.mark.parametrize(("bid", "offers"), [(4.82, 2), (4.81, 1), (0.01, 1)])
def test_a_minimum_bid_of_a_small_fraction_is_no_spot_price(bid: float, offers: int):
    assert len([fact for fact in parse(machine(min_bid=bid)) if isinstance(fact, Offer)]) == offers


def test_memory_that_contradicts_the_gpu_count_leaves_the_row_out():
    assert skipped_by_reason(parse(machine(num_gpus=1))) == {"GPU count and memory contradict each other": 1}


def test_a_total_below_the_price_of_its_gpus_leaves_the_row_out():
    assert skipped_by_reason(parse(machine(dph_total=2.4))) == {"the total is below the price of its GPUs": 1}


@pytest.mark.parametrize(
    ("geolocation", "region", "zone"),
    [
        ("Texas, US", "US", "Texas"),
        (", US", "US", None),
        ("The Netherlands, NL", "NL", "The Netherlands"),
        ("SE", "SE", None),
        ("somewhere", "somewhere", None),
        (None, "unknown", None),
    ],
)
def test_the_region_is_the_country(geolocation: str | None, region: str, zone: str | None):
    offer = parse(machine(geolocation=geolocation))[0]
    assert (offer.region, offer.zone) == (region, zone)


def test_the_distribution_interpolates_per_gpu_and_over_all_countries():
    totals = [16.0, 17.6, 19.2, 24.0]
    facts = parse(
        *(
            machine(machine_id=number, dph_base=total, dph_total=total, min_bid=None)
            for number, total in enumerate(totals, 1)
        )
    )
    samples = [fact for fact in facts if isinstance(fact, MarketSample)]
    assert {sample.region for sample in samples} == {"US", "global"}
    sample = samples[0]
    assert (sample.offers, sample.gpu_count) == (4, 8)
    assert sample.min_usd_per_gpu_hour == Decimal("2.0")
    assert sample.p10_usd_per_gpu_hour == Decimal("2.06")
    assert sample.p25_usd_per_gpu_hour == Decimal("2.15")
    assert sample.median_usd_per_gpu_hour == Decimal("2.3")


def page(totals: list[float], **asked: Any) -> Document:
    rows = [machine(id=number, machine_id=number, dph_total=total) for number, total in enumerate(totals, 1)]
    request = Request(url="https://a.example/", method="POST", payload={"limit": 64, **asked})
    return Document(source="vast", request=request, body=json.dumps({"offers": rows}).encode(), fetched_at=AT)


def next_page(totals: list[float], **asked: Any) -> Any:
    found = list(vast.follow(page(totals, **asked)))
    assert len(found) <= 1
    return found[0].payload["dph_total"] if found else None


def test_a_full_page_is_followed_from_the_price_that_it_ends_at():
    assert next_page([1.0 + number / 100 for number in range(64)]) == {"gte": 1.63}


def test_a_short_page_is_the_last():
    assert next_page([1.0 + number / 100 for number in range(63)]) is None


def test_a_page_of_one_price_does_not_ask_for_itself():
    assert next_page([2.0] * 64, dph_total={"gte": 2.0}) == {"gt": 2.0}


def test_pages_are_one_market_and_an_ask_on_two_of_them_counts_once():
    first, second = page([20.0, 21.0, 22.0]), page([20.0])
    facts = [fact for _, fact in vast.parse_batch([first, second])]
    asked = [
        fact for fact in facts if isinstance(fact, Offer) and fact.purchase_option is PurchaseOption.ON_DEMAND
    ]
    assert len(asked) == 3
    assert skipped_by_reason(facts) == {"also on another page": 1}
    assert {sample.offers for sample in facts if isinstance(sample, MarketSample)} == {3}


def test_the_whole_market_is_asked_for_and_a_key_adds_to_the_keyless_pages():
    keyless, keyed = vast.SOURCE.requests
    assert keyless.credential is None
    assert keyed.credential is not None and keyed.credential.variable == "VAST_API_KEY"
    for request in (keyless, keyed):
        assert request.payload is not None
        assert "gpu_name" not in request.payload
        assert request.payload["verified"] == {"eq": True}

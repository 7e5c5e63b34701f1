"""Which offer wins, provider by provider, and what is said about those that do not."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from gpuledger.core.cheapest import cheapest_by_provider, spread
from gpuledger.core.store.offers import LatestOffer

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def offer(provider: str, usd: str | None, **more: Any) -> LatestOffer:
    count = Decimal(more.pop("gpu_count", 1))
    per_gpu = None if usd is None else Decimal(usd)
    known: dict[str, Any] = {
        "price_id": f"{provider}:{usd}",
        "offer_id": f"{provider}-{usd}",
        "source": provider,
        "source_kind": "live",
        "check_source": provider,
        "provider": provider,
        "sku": "h100",
        "instance_type": "h100",
        "region": "global",
        "gpu_label": "H100",
        "gpu_id": "h100-sxm-80gb",
        "gpu_count": count,
        "purchase_option": "on_demand",
        "availability": "available",
        "is_unlisted": False,
        "amount": per_gpu or Decimal(1),
        "currency": "USD",
        "unit": "gpu_hour",
        "usd_per_gpu_hour": per_gpu,
        "usd_per_hour": None if per_gpu is None else per_gpu * count,
        "valid_from": NOW - timedelta(days=9),
        "last_seen_at": NOW - timedelta(hours=1),
        "fresh_until": NOW + timedelta(hours=2),
    }
    fields = dict.fromkeys(LatestOffer.__slots__) | known | more
    return LatestOffer(**fields)


STALE = {"fresh_until": NOW - timedelta(seconds=1)}
SOLD_OUT = {"availability": "sold_out"}
UNLISTED = {"is_unlisted": True}


def order(offers: list[LatestOffer], **more: Any) -> list[str]:
    return [entry.offer.provider for entry in cheapest_by_provider(offers, at=NOW, **more).ranking]


def test_each_provider_is_there_once_with_its_cheapest():
    answer = cheapest_by_provider(
        [offer("lambda", "3.78"), offer("runpod", "3.1"), offer("runpod", "2.69")], at=NOW
    )
    assert [(entry.offer.provider, entry.offer.usd_per_gpu_hour) for entry in answer.ranking] == [
        ("runpod", Decimal("2.69")),
        ("lambda", Decimal("3.78")),
    ]
    assert answer.remarks == []


def test_what_can_be_had_goes_before_what_cannot():
    offers = [
        offer("stale", "1", **STALE),
        offer("unlisted", "1.1", **UNLISTED),
        offer("sold", "1.2", **SOLD_OUT),
        offer("fresh", "9"),
    ]
    assert order(offers) == ["fresh", "stale", "unlisted", "sold"]


def test_a_cheaper_stale_offer_does_not_win_and_this_is_said():
    answer = cheapest_by_provider([offer("a", "1", **STALE), offer("b", "2")], at=NOW)
    assert answer.ranking[0].offer.provider == "b"
    assert answer.remarks == [
        "cheaper but older: H100, on demand, at a (stale, seen 1 hours ago; check: gpuledger refresh a)"
        " was 1 USD per GPU-hour"
    ]


def test_stale_offers_win_when_they_may():
    answer = cheapest_by_provider([offer("a", "1", **STALE), offer("b", "2")], at=NOW, allow_stale=True)
    assert [entry.offer.provider for entry in answer.ranking] == ["a", "b"]


def test_where_only_stale_offers_exist_they_are_given_and_this_is_said():
    answer = cheapest_by_provider([offer("a", "2", **STALE), offer("b", "1", **STALE)], at=NOW)
    assert [entry.offer.provider for entry in answer.ranking] == ["b", "a"]
    assert answer.remarks == [
        "no live price yet; list prices of 2026-11-19 and around; run gpuledger refresh"
    ]


def test_a_price_is_fresh_to_the_last_instant_of_its_target():
    assert offer("a", "1", fresh_until=NOW).price_state(NOW) == "fresh"
    assert offer("a", "1", fresh_until=NOW - timedelta(microseconds=1)).price_state(NOW) == "stale"


def test_an_offer_without_dollars_is_counted_and_not_ranked():
    answer = cheapest_by_provider([offer("ovh", None, currency="EUR"), offer("b", "2")], at=NOW)
    assert [entry.offer.provider for entry in answer.ranking] == ["b"]
    assert answer.remarks == ["1 offer in EUR left out: no exchange rate"]


def test_a_generator_of_offers_is_read_once_and_still_counted():
    answer = cheapest_by_provider(
        (one for one in [offer("ovh", None, currency="EUR"), offer("b", "2")]), at=NOW
    )
    assert answer.remarks == ["1 offer in EUR left out: no exchange rate"]


def test_nothing_to_rank_is_said():
    assert cheapest_by_provider([], at=NOW).remarks == ["no offer matches"]


def test_equal_prices_per_gpu_are_ordered_by_the_smaller_bill():
    assert order([offer("a", "2", gpu_count=8), offer("b", "2")]) == ["b", "a"]


MINIMA: dict[str, tuple[dict[str, Any], int, str]] = {
    "one card": ({}, 1, ""),
    "a whole node": ({"gpu_count": 8}, 8, "8-GPU minimum"),
    "a slice": ({"gpu_count": "0.25"}, 1, ""),
    "a published minimum": ({"min_gpus": 16}, 16, "16-GPU minimum"),
    "a node of a cluster": ({"gpu_count": 8, "min_gpus": 32}, 32, "32-GPU minimum"),
    "a stale node": ({"gpu_count": 8} | STALE, 8, "8-GPU minimum"),
}


@pytest.mark.parametrize("what", MINIMA)
def test_the_note_says_how_many_one_must_order(what: str):
    terms, least, note = MINIMA[what]
    one = offer("a", "2", **terms)
    assert one.least_gpus == least
    assert cheapest_by_provider([one], at=NOW).ranking[0].note == note


LAPSED = {"fresh_until": NOW - timedelta(days=198), "lapses_at": NOW - timedelta(days=20)}


def test_a_spread_is_of_the_most_reliable_prices_of_each_group_and_never_of_lapsed_ones():
    offers = [
        offer("salad", "0.20", **LAPSED),
        offer("runpod", "0.34", **LAPSED),
        offer("runpod", "0.69", **STALE),
        offer("lambda", "0.80"),
        offer("lambda", "0.50", **STALE),
    ]
    rows = [
        (row.group, row.price_state, row.offers, row.min_usd_per_gpu_hour)
        for row in spread(offers, "provider", at=NOW)
    ]
    assert rows == [("lambda", "fresh", 1, Decimal("0.80")), ("runpod", "stale", 1, Decimal("0.69"))]


def test_a_stale_price_that_may_win_is_named_and_not_called_all_there_is():
    offers = [offer("runpod", "2.00", **STALE), offer("lambda", "3.00")]
    answer = cheapest_by_provider(offers, at=NOW, allow_stale=True)
    assert answer.remarks[0].startswith("stale and first:")
    assert not any("no live price" in remark for remark in answer.remarks)
    alone = cheapest_by_provider(offers[:1], at=NOW, allow_stale=True)
    assert any("no live price yet" in remark for remark in alone.remarks)


def test_of_equal_prices_the_fresher_goes_first_also_where_stale_ones_may_win():
    offers = [offer("a", "2.00", **STALE), offer("b", "2.00")]
    assert order(offers, allow_stale=True) == ["b", "a"]

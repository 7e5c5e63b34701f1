"""RunPod's peculiarities, one each."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gpuledger.core.alias import seed_aliases
from gpuledger.core.document import Document, Request
from gpuledger.core.errors import ParseError
from gpuledger.core.offer import Availability, Offer, PurchaseOption, Skipped
from gpuledger.scrapers import runpod
from tools.captures import read_capture, skipped_by_reason

CAPTURES = Path(__file__).resolve().parents[1] / "captures" / "runpod"
H100 = "NVIDIA H100 80GB HBM3"
AT = datetime(2026, 10, 7, tzinfo=UTC)


def offers(capture: str) -> list[Offer]:
    return [
        fact for fact in runpod.parse(read_capture("runpod", CAPTURES / capture)) if isinstance(fact, Offer)
    ]


def on_demand(capture: str, sku: str, tier: str) -> Offer:
    (found,) = [
        offer
        for offer in offers(capture)
        if (offer.sku, offer.tier, offer.purchase_option) == (sku, tier, PurchaseOption.ON_DEMAND)
    ]
    return found


def answer(*gpus: dict[str, Any]) -> Document:
    body = json.dumps({"data": {"gpuTypes": list(gpus)}}).encode()
    return Document(source="runpod", request=Request(url="https://a.example/"), body=body, fetched_at=AT)


def gpu(**fields: Any) -> dict[str, Any]:
    return {"id": H100, "memoryInGb": 80, "secureCloud": True, "communityCloud": False} | fields


def test_secure_and_community_are_two_offers_of_one_gpu():
    secure, community = (on_demand("prices.json", H100, tier) for tier in ("secure", "community"))
    assert (secure.price.amount, community.price.amount) == (Decimal("3.49"), Decimal("2.69"))
    assert secure.offer_id != community.offer_id


@pytest.mark.parametrize("price", [0, None, "2.99", True, -1, 1e40, [], {}])
def test_what_is_no_price_is_left_out_with_a_reason(price: object):
    (fact, _) = runpod.parse(answer(gpu(securePrice=price)))
    assert isinstance(fact, Skipped)
    assert fact.reason == "no price"


@pytest.mark.parametrize("flag", [False, None, "true", 1])
def test_a_price_without_the_clouds_flag_is_no_offer(flag: object):
    facts = list(runpod.parse(answer(gpu(secureCloud=flag, securePrice=0.5))))
    assert skipped_by_reason(facts) == {"not sold in this cloud": 2}


def test_half_a_dollar_is_a_price_where_the_flag_says_that_the_gpu_is_sold():
    (offer, _) = runpod.parse(answer(gpu(id="NVIDIA RTX A6000", securePrice=0.5)))
    assert isinstance(offer, Offer)
    assert offer.price.amount == Decimal("0.5")


def test_neither_the_unknown_row_nor_unsold_slices_become_offers():
    skus = {offer.sku for offer in offers("prices.json")}
    assert H100 in skus
    assert not {sku for sku in skus if sku == "unknown" or "MIG" in sku}


def test_every_row_is_accounted_for_once_per_cloud():
    capture = read_capture("runpod", CAPTURES / "prices.json")
    listed = json.loads(capture.body)["data"]["gpuTypes"]
    facts = list(runpod.parse(capture))
    by_demand = [
        fact
        for fact in facts
        if isinstance(fact, Offer)
        and fact.purchase_option is PurchaseOption.ON_DEMAND
        and not fact.sku.endswith("cluster")
    ]
    reasons = skipped_by_reason(facts)
    left_out = reasons["not sold in this cloud"] + reasons["no price"]
    assert len(by_demand) + left_out == 2 * (len(listed) - 1)
    assert reasons["the id is 'unknown'"] == 1


def test_an_eight_gpu_total_is_never_a_price():
    amounts = {offer.price.amount for offer in offers("eight_gpu_totals.json")}
    assert max(amounts) == Decimal("4.39")


def test_a_total_tells_whose_stock_it_is_by_the_price_that_divides_it():
    stock = [on_demand("eight_gpu_totals.json", H100, tier).availability for tier in ("secure", "community")]
    assert stock == [Availability.UNKNOWN, Availability.AVAILABLE]


def test_a_null_stock_is_sold_out_not_unpriced():
    offer = on_demand("prices.json", "NVIDIA B200", "secure")
    assert (offer.availability, offer.price.amount) == (Availability.SOLD_OUT, Decimal("6.79"))


def test_stock_that_was_not_asked_for_is_unknown():
    (offer, _) = runpod.parse(answer(gpu(securePrice=2.99)))
    assert isinstance(offer, Offer)
    assert offer.availability is Availability.UNKNOWN


@pytest.mark.parametrize(
    ("one", "eight", "most", "expected"),
    [
        ("High", "High", 8, Availability.AVAILABLE),
        ("medium", "LOW", 8, Availability.AVAILABLE),
        ("Low", None, 8, Availability.LIMITED),
        ("High", None, 8, Availability.LIMITED),
        ("High", None, 6, Availability.AVAILABLE),
        ("Plenty", "Low", 8, Availability.LIMITED),
        (None, None, 8, Availability.SOLD_OUT),
        (None, "High", 6, Availability.SOLD_OUT),
    ],
)
def test_stock_joins_the_answers_for_one_gpu_and_for_a_node(
    one: str | None, eight: str | None, most: int, expected: Availability
):
    stock = {"secureStock1": {"stockStatus": one}, "secureStock8": {"stockStatus": eight}}
    (offer, _) = runpod.parse(answer(gpu(securePrice=2.99, maxGpuCount=most, **stock)))
    assert isinstance(offer, Offer)
    assert offer.availability is expected


@pytest.mark.parametrize("spot", [2.99, 3.5])
def test_spot_at_the_on_demand_price_or_above_is_unknown(spot: float):
    facts = list(runpod.parse(answer(gpu(securePrice=2.99, secureSpotPrice=spot))))
    assert skipped_by_reason(facts)["spot price is not below on-demand"] == 1
    assert [fact.purchase_option for fact in facts if isinstance(fact, Offer)] == [PurchaseOption.ON_DEMAND]


def test_a_commitment_carries_its_term_and_a_week_is_168_of_730_hours():
    terms = {
        offer.term_months: offer.price.amount
        for offer in offers("prices.json")
        if offer.purchase_option is PurchaseOption.RESERVED and offer.sku == "NVIDIA H200"
    }
    assert terms == {Decimal("0.230137"): Decimal("4.45"), Decimal(1): Decimal("4.4")}


def test_a_monthly_total_among_the_commitments_is_not_an_hourly_price():
    facts = list(runpod.parse(answer(gpu(securePrice=0.74, oneMonthPrice=541))))
    assert skipped_by_reason(facts)["commitment price is not per hour"] == 1


def test_a_cluster_is_whole_nodes_of_eight_and_at_least_two_of_them():
    (cluster,) = [offer for offer in offers("prices.json") if offer.sku == f"{H100} cluster"]
    assert (cluster.gpu_count, cluster.min_gpus, cluster.max_gpus) == (8, 16, 64)
    assert cluster.price.amount == Decimal("4.188")
    assert cluster.price.unit == "gpu_hour"


def test_a_cluster_price_that_no_data_centre_stands_for_is_left_out():
    facts = list(runpod.parse(answer(gpu(securePrice=2.99, clusterPrice=3.588, nodeGroupDatacenters=[]))))
    assert skipped_by_reason(facts)["cluster price without a data centre"] == 1


def test_errors_with_status_200_are_an_error_with_its_message():
    body = b'{"errors": [{"message": "Cannot query field gpuTypes"}], "data": null}'
    document = Document(source="runpod", request=Request(url="https://a.example/"), body=body, fetched_at=AT)
    with pytest.raises(ParseError, match="Cannot query field gpuTypes"):
        list(runpod.parse(document))


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"data": null}', b"<html></html>", b"null", b'"x"', b"[1]"]
)
def test_an_answer_of_another_shape_is_an_error(body: bytes):
    document = Document(source="runpod", request=Request(url="https://a.example/"), body=body, fetched_at=AT)
    with pytest.raises(ParseError):
        list(runpod.parse(document))


def test_rest_and_page_continue_the_offers_of_graphql():
    graphql = {offer.offer_id for offer in offers("prices.json")}
    rest = {offer.sku: offer.offer_id for offer in offers("catalog_v2.json")}
    page = {offer.sku: offer.offer_id for offer in offers("pricing.html")}
    assert {rest[H100], page[H100], rest["NVIDIA A100 80GB PCIe"], page["NVIDIA H200"]} <= graphql


def test_rest_stock_is_that_of_the_cloud_that_was_asked():
    stock = [on_demand("catalog_v2.json", H100, tier).availability for tier in ("secure", "community")]
    assert stock == [Availability.LIMITED, Availability.UNKNOWN]


def test_with_both_answers_each_offer_is_there_once():
    documents = [read_capture("runpod", CAPTURES / name) for name in ("prices.json", "catalog_v2.json")]
    facts = list(runpod.parse_batch(documents))
    found = [fact.offer_id for _, fact in facts if isinstance(fact, Offer)]
    assert len(found) == len(set(found))
    (secure,) = [
        fact
        for _, fact in facts
        if isinstance(fact, Offer)
        and (fact.sku, fact.tier, fact.purchase_option) == (H100, "secure", PurchaseOption.ON_DEMAND)
    ]
    assert secure.price.amount == Decimal("3.49")


def test_half_a_dollar_on_the_page_may_be_the_placeholder():
    facts = list(runpod.parse(read_capture("runpod", CAPTURES / "pricing.html")))
    assert skipped_by_reason(facts)["0.5 may be a placeholder"] == 1


def test_every_name_on_the_page_leads_to_an_id_that_we_know():
    unknown = [sku for sku in runpod.IDS.values() if seed_aliases().resolve("runpod", sku, None) is None]
    assert len(runpod.IDS) > 40
    assert not unknown

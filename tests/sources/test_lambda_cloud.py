"""Lambda's peculiarities, one each."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gpuledger.core.document import Document, Request
from gpuledger.core.errors import ParseError
from gpuledger.core.offer import Availability, Fact, Offer
from gpuledger.core.published import usd_per_hour
from gpuledger.scrapers import lambda_cloud
from tools.captures import read_capture, skipped_by_reason

CAPTURES = Path(__file__).resolve().parents[1] / "captures" / "lambda_cloud"
PAGE = (CAPTURES / "pricing.html").read_text()
WITHOUT_TABS = (CAPTURES / "pricing_without_tabs.html").read_text()


def parse(body: str | dict[str, Any]) -> list[Fact]:
    text = body if isinstance(body, str) else json.dumps(body)
    document = Document(
        source="lambda_cloud",
        request=Request(url="https://a.example/"),
        body=text.encode(),
        fetched_at=datetime(2026, 9, 20, tzinfo=UTC),
    )
    return list(lambda_cloud.parse(document))


def offers(capture: str) -> dict[str, Offer]:
    facts = lambda_cloud.parse(read_capture("lambda_cloud", CAPTURES / capture))
    return {fact.sku: fact for fact in facts if isinstance(fact, Offer)}


def entry(name: str = "gpu_8x_a100", **changes: Any) -> dict[str, Any]:
    kind = {"name": name, "gpu_description": "A100 (40 GB SXM4)", "price_cents_per_hour": 1592}
    kind |= {"specs": {"gpus": 8}} | changes
    return {"data": {name: {"instance_type": kind, "regions_with_capacity_available": []}}}


def test_15_92_for_eight_gpus_is_1_99_per_gpu():
    (offer,) = [fact for fact in parse(entry()) if isinstance(fact, Offer)]
    assert (offer.price.amount, offer.price.unit) == (Decimal("15.92"), "hour")
    assert usd_per_hour(offer) / offer.gpu_count == Decimal("1.99")


def test_the_page_states_the_price_of_one_gpu():
    offer = offers("pricing.html")["gpu_8x_a100"]
    assert (offer.price.amount, offer.price.unit, offer.gpu_count) == (Decimal("1.99"), "gpu_hour", 8)
    assert usd_per_hour(offer) == Decimal("15.92")


def test_a_gpu_costs_more_in_a_smaller_instance():
    page = offers("pricing.html")
    prices = [page[f"gpu_{size}x_h100_sxm5"].price.amount for size in (8, 4, 2, 1)]
    assert prices == [Decimal("3.99"), Decimal("4.09"), Decimal("4.19"), Decimal("4.29")]


def test_an_empty_region_list_is_sold_out_with_its_price_kept():
    offer = offers("instance_types.json")["gpu_8x_h100_sxm5"]
    assert (offer.availability, offer.price.amount) == (Availability.SOLD_OUT, Decimal("31.92"))


def test_stock_does_not_change_the_identity():
    sold_out, in_stock = entry(), entry()
    in_stock["data"]["gpu_8x_a100"]["regions_with_capacity_available"] = [{"name": "us-east-1"}]
    (before,) = [fact for fact in parse(sold_out) if isinstance(fact, Offer)]
    (after,) = [fact for fact in parse(in_stock) if isinstance(fact, Offer)]
    assert after.availability is Availability.AVAILABLE
    assert (before.offer_id, before.region) == (after.offer_id, "global")


def test_stock_that_is_not_stated_is_unknown():
    answer = entry()
    answer["data"]["gpu_8x_a100"]["regions_with_capacity_available"] = None
    (offer,) = [fact for fact in parse(answer) if isinstance(fact, Offer)]
    assert offer.availability is Availability.UNKNOWN


def test_page_and_api_continue_one_offer_where_the_type_is_certain():
    page, api = offers("pricing.html"), offers("instance_types.json")
    shared = sorted(set(page) & set(api))
    assert len(shared) >= 8
    assert [page[sku].offer_id for sku in shared] == [api[sku].offer_id for sku in shared]


def test_two_types_that_look_the_same_on_the_page_are_not_guessed():
    assert {"gpu_8x_v100", "gpu_8x_v100_n"} <= set(offers("instance_types.json"))
    assert offers("pricing.html")["gpu_8x_v100_16gb"].gpu_label == "NVIDIA V100"


def test_with_both_answers_the_one_that_knows_the_stock_stands():
    documents = [
        read_capture("lambda_cloud", CAPTURES / name) for name in ("pricing.html", "instance_types.json")
    ]
    found = [
        (document.request.url, fact.availability)
        for document, fact in lambda_cloud.parse_batch(documents)
        if isinstance(fact, Offer) and fact.sku == "gpu_8x_h100_sxm5"
    ]
    assert found == [("https://cloud.lambda.ai/api/v1/instance-types", Availability.SOLD_OUT)]


def test_a_type_without_gpu_is_left_out_with_that_reason():
    facts = parse((CAPTURES / "instance_types.json").read_text())
    assert skipped_by_reason(facts) == {"no GPU": 1}


@pytest.mark.parametrize("cents", [0, None, "1592", -5, 1e30, True, [1592]])
def test_what_is_no_price_in_cents_is_left_out(cents: object):
    assert skipped_by_reason(parse(entry(price_cents_per_hour=cents))) == {"no price": 1}


def test_a_count_that_the_name_contradicts_is_left_out():
    facts = parse(entry(specs={"gpus": 4}))
    assert skipped_by_reason(facts) == {"name and GPU count disagree": 1}


def test_cluster_tables_are_no_instances():
    facts = parse(PAGE)
    assert skipped_by_reason(facts)["row of a cluster table"] == 2
    assert Decimal("9.86") not in {fact.price.amount for fact in facts if isinstance(fact, Offer)}


def test_a_dash_is_no_price():
    assert skipped_by_reason(parse(PAGE))["no price"] == 1
    assert "gpu_1x_a100_sxm4" not in offers("pricing.html")


def test_hashed_classes_do_not_matter():
    renamed = re.sub(r'class="[^"]*"', 'class="x_9"', PAGE)
    assert [fact for fact in parse(renamed) if isinstance(fact, Offer)] == list(
        offers("pricing.html").values()
    )


def test_tabs_tell_the_size_even_where_a_table_is_missing():
    without_4x = re.sub(r'<div role="tabpanel" id="panel-_R_1_".*?</div>', "", PAGE, flags=re.DOTALL)
    sizes = {fact.gpu_count for fact in parse(without_4x) if isinstance(fact, Offer)}
    assert sizes == {8, 2, 1}


def test_without_tabs_four_tables_are_told_by_their_place():
    sizes = {offer.gpu_count for offer in offers("pricing_without_tabs.html").values()}
    assert sizes == {8, 4, 2, 1}


def test_without_tabs_another_number_of_tables_is_an_error_not_a_guess():
    three = re.sub(r"<section>.*?</section>", "", WITHOUT_TABS, count=1, flags=re.DOTALL)
    with pytest.raises(ParseError, match="3 instance tables"):
        parse(three)


def test_tables_in_another_order_contradict_their_vcpus():
    first, *_, last = re.findall(r"<section>.*?</section>", WITHOUT_TABS, flags=re.DOTALL)
    swapped = WITHOUT_TABS.replace(first, "@").replace(last, first).replace("@", last)
    with pytest.raises(ParseError, match="do not grow with the instance"):
        parse(swapped)


@pytest.mark.parametrize("price", ["3,99", "$3,99", "3.99", "€3.99", "from $3.99", "208"])
def test_a_price_cell_that_is_not_plain_dollars_is_left_out(price: str):
    facts = parse(PAGE.replace("$3.99", price))
    assert "gpu_8x_h100_sxm5" not in {fact.sku for fact in facts if isinstance(fact, Offer)}


@pytest.mark.parametrize(
    "body", ["", "<html><p>moved</p></html>", "[]", '{"data": []}', '{"data": null}', "null", "nonsense"]
)
def test_an_answer_of_another_shape_is_an_error(body: str):
    with pytest.raises(ParseError):
        parse(body)


def test_an_api_error_says_its_message():
    with pytest.raises(ParseError, match="API key was invalid"):
        parse({"error": {"code": "global/invalid-api-key", "message": "API key was invalid"}})

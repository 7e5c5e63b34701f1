"""What Google's page and the list built from its catalog mean, one gotcha each."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from gpuledger.core.count import decimal_text
from gpuledger.core.document import Document, Request
from gpuledger.core.errors import ParseError
from gpuledger.core.offer import Offer, PurchaseOption, Skipped
from gpuledger.core.published import usd_per_hour
from gpuledger.scrapers.gcp_page import SOURCE, parse
from tools.captures import read_capture

CAPTURES = Path(__file__).resolve().parents[1] / "captures" / "gcp_page"
PAGE = (CAPTURES / "accelerator_optimized.html").read_text()
LIST = (CAPTURES / "pricing.yml").read_text()


def facts(text):
    document = Document(
        source="gcp_page",
        request=Request(url="https://cloud.google.com/"),
        body=text.encode(),
        fetched_at=datetime(2026, 10, 7, tzinfo=UTC),
    )
    return list(parse(document))


def offers(text):
    return {
        (fact.instance_type, fact.region, fact.purchase_option.value, fact.term_months): fact
        for fact in facts(text)
        if isinstance(fact, Offer)
    }


def reasons(text):
    return [fact.reason for fact in facts(text) if isinstance(fact, Skipped)]


def machine(*lines, cost=("hour: 3.673385", "month: 2681.57105"), region="us-central1", name="a2-highgpu-1g"):
    head = ["---", "compute:", "  instance:", f"    {name}:"]
    body = [f"      {line}" for line in (lines or ("a100: 1", "cpu: 12", "ram: 85"))]
    return "\n".join(
        [*head, *body, "      cost:", f"        {region}:", *(f"          {c}" for c in cost), ""]
    )


def test_a_cell_of_the_page_is_for_the_whole_machine_and_hour():
    offer = offers(PAGE)["a3-highgpu-8g", "us-central1", "on_demand", None]
    assert (offer.gpu_count, usd_per_hour(offer)) == (8, Decimal("88.490000119"))


def test_a_price_that_is_not_there_is_not_taken_from_the_next_column():
    found = offers(PAGE)
    assert ("a4-highgpu-8g", "us-central1", "on_demand", None) not in found
    assert usd_per_hour(found["a4-highgpu-8g", "us-central1", "spot", None]) == Decimal("53.52")


def test_flex_start_is_no_way_of_buying_that_is_kept():
    assert Decimal("39.10") not in {offer.price.amount for offer in offers(PAGE).values()}


def test_a_machine_that_is_not_sold_on_demand_has_no_on_demand_price_though_one_is_shown():
    found = offers(PAGE)
    assert ("a3-ultragpu-8g", "us-central1", "on_demand", None) not in found
    assert ("a3-highgpu-1g", "us-central1", "on_demand", None) not in found
    assert ("a3-ultragpu-8g", "us-central1", "spot", None) in found


def test_the_monthly_copy_of_a_table_is_left_out():
    assert reasons(PAGE).count("the same per month") == 1


def test_prices_that_contradict_each_other_are_not_believed():
    assert "prices that contradict each other" in reasons(PAGE)
    assert not [key for key in offers(PAGE) if key[0] == "g4-standard-48"]


def test_swapped_columns_of_one_row_are_noticed_by_the_machine_type():
    swapped = PAGE.replace("vCPUs: 96 Memory: 1360 GB", "$55.739504 / 1 hour")
    assert "vCPUs that contradict the machine type" in reasons(swapped)


def test_a_page_without_the_tables_is_an_error():
    with pytest.raises(ParseError, match="no table of machine types"):
        facts("<html><body><p>Please enable scripts.</p></body></html>")
    with pytest.raises(ParseError, match="neither the page nor the list"):
        facts('{"error": 1}')


def test_the_list_is_told_by_its_content_and_has_all_regions():
    regions = {region for _, region, _, _ in offers(LIST)}
    assert regions == {"us-central1", "europe-west4", "asia-southeast1", "us-south1"}


def test_a_committed_price_of_the_list_is_per_month():
    offer = offers(LIST)["a3-highgpu-8g", "us-central1", "reserved", 12]
    assert (offer.price.unit.value, offer.price.amount) == ("month", Decimal("44810.08066464"))
    assert decimal_text(usd_per_hour(offer)) == "61.383672"


def test_the_list_dates_itself():
    (date,) = {offer.effective_at for offer in offers(LIST).values()}
    assert date == datetime(2026, 9, 24, 3, 53, 56, tzinfo=UTC)


def test_money_of_the_list_never_passes_a_float():
    (offer,) = offers(machine(cost=("hour: 3.673385000001", "month: 2681.57105"))).values()
    assert offer.price.amount == Decimal("3.673385000001")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (machine("a100: 8", "cpu: 12", "ram: 85"), "accelerators or memory that contradict the machine type"),
        (
            machine("a100: 1", "cpu: 12", "ram: 850"),
            "accelerators or memory that contradict the machine type",
        ),
        (machine("a100: 1", "cpu: 85", "ram: 12"), "vCPUs that contradict the machine type"),
        (machine("cpu: 12", "ram: 85"), "accelerators or memory that contradict the machine type"),
        (
            machine(cost=("hour: 2681.57105", "month: 3.673385")),
            "an hour and a month that contradict each other",
        ),
        (machine(cost=("hour: 3.673385",)), "an hour and a month that contradict each other"),
        (
            machine(cost=("hour: 3,673385", "month: 2681,57")),
            "an hour and a month that contradict each other",
        ),
        (machine(region="Iowa"), "no region"),
        (machine("cpu: 4", "ram: 16", name="e2-standard-4"), "no accelerator"),
    ],
)
def test_a_row_of_the_list_that_cannot_be_right_says_why(text, reason):
    assert reasons(text) == [reason]


@pytest.mark.parametrize(
    "text",
    [
        machine() + "      cost: {}\n",
        machine().replace("a100: 1", "a100: &a 1"),
        "---\n" + "[" * 100_000,
        "---\ncompute:\n  instance: [",
        "---\nother: 1\n",
    ],
    ids=["a key twice", "an anchor", "nested deeply", "cut off", "no machines"],
)
def test_a_list_of_another_shape_is_an_error(text):
    with pytest.raises(ParseError):
        facts(text)


def test_the_page_is_asked_last_because_it_is_googles_own_word():
    assert [request.url.split("/")[2] for request in SOURCE.requests] == [
        "raw.githubusercontent.com",
        "cloud.google.com",
    ]
    assert SOURCE.fallback == SOURCE.requests[:1]


def test_a_slice_of_a_card_is_a_fraction_of_it():
    document = read_capture("gcp_page", CAPTURES / "pricing.yml")
    (offer,) = [f for f in parse(document) if isinstance(f, Offer) and f.instance_type == "g4-standard-6"]
    assert (offer.gpu_count, offer.purchase_option) == (Decimal("0.125"), PurchaseOption.ON_DEMAND)
    assert usd_per_hour(offer) / offer.gpu_count == Decimal("4.5")

"""AWS bulk lists: one gotcha a test, on rows of the real columns."""

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gpuledger.core.document import Document, Request
from gpuledger.core.errors import ParseError
from gpuledger.core.offer import Fact, Offer
from gpuledger.core.published import usd_per_hour
from gpuledger.scrapers.aws_bulk import HOST, SOURCE, follow, line_filter, parse
from tests.sources.lines import filtered_lines
from tools.captures import read_capture

CAPTURES = Path(__file__).resolve().parents[1] / "captures" / "aws_bulk"
EC2_CSV = f"{HOST}/offers/v1.0/aws/AmazonEC2/20260910195514/us-east-1/index.csv"
SAVINGS_CSV = f"{HOST}/savingsPlan/v1.0/aws/AWSComputeSavingsPlan/20260911184447/us-east-1/index.csv"

ROW = {
    "SKU": "3D4V8UAYEMB38GU2",
    "OfferTermCode": "4NA7Y494T4",
    "TermType": "Reserved",
    "EffectiveDate": "2026-09-01",
    "Unit": "Hrs",
    "PricePerUnit": "37.7574400000",
    "Currency": "USD",
    "LeaseContractLength": "1yr",
    "PurchaseOption": "No Upfront",
    "OfferingClass": "standard",
    "Instance Type": "p5.48xlarge",
    "Instance Family": "GPU instance",
    "vCPU": "192",
    "Tenancy": "Shared",
    "Operating System": "Linux",
    "usageType": "BoxUsage:p5.48xlarge",
    "CapacityStatus": "Used",
    "MarketOption": "OnDemand",
    "Pre Installed S/W": "NA",
    "Region Code": "us-east-1",
}

SAVINGS_ROW = {
    "SKU": "BB7BKBSC6NZW7P5B",
    "Unit": "Hrs",
    "EffectiveDate": "2026-09-10T18:51:13Z",
    "DiscountedRate": "41.2803",
    "Currency": "USD",
    "DiscountedServiceCode": "AmazonEC2",
    "DiscountedUsageType": "BoxUsage:p5.48xlarge",
    "DiscountedOperation": "RunInstances",
    "PurchaseOption": "No Upfront",
    "LeaseContractLength": "1",
    "LeaseContractLengthUnit": "year",
    "Product Family": "ComputeSavingsPlans",
    "DiscountedRegionCode": "us-east-1",
    "DiscountedInstanceType": "p5.48xlarge",
}


def document(body: bytes, url: str = EC2_CSV) -> Document:
    return Document(
        source=SOURCE.name,
        request=Request(url=url),
        body=body,
        fetched_at=datetime(2026, 10, 7, tzinfo=UTC),
    )


def table(*rows: dict[str, str]) -> bytes:
    text = io.StringIO()
    text.write('"FormatVersion","v1.0"\n"Disclaimer","d"\n"Version","20260910195514"\n')
    writer = csv.DictWriter(text, rows[0], quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def facts_of(*changes: dict[str, str], row: dict[str, str] = ROW) -> list[Fact]:
    return list(parse(document(table(*({**row, **change} for change in changes)))))


def offer_of(*changes: dict[str, str], row: dict[str, str] = ROW) -> Offer:
    (offer,) = facts_of(*changes, row=row)
    assert isinstance(offer, Offer)
    return offer


def reasons(facts: list[Fact]) -> list[str]:
    return [getattr(fact, "reason", "") for fact in facts]


def upfront(option: str, fee: str, per_hour: str) -> tuple[dict[str, str], dict[str, str]]:
    return (
        {"PurchaseOption": option, "Unit": "Quantity", "PricePerUnit": fee},
        {"PurchaseOption": option, "PricePerUnit": per_hour},
    )


def test_no_upfront_is_an_hourly_price_for_the_instance():
    offer = offer_of({})
    assert (offer.price.amount, offer.price.unit, offer.gpu_count) == (Decimal("37.75744"), "hour", 8)
    assert (offer.term_months, offer.payment, offer.upfront_amount) == (12, "no_upfront", None)
    assert (offer.sku, offer.region, offer.effective_at) == (
        "p5.48xlarge",
        "us-east-1",
        datetime(2026, 9, 1, tzinfo=UTC),
    )


def test_a_partial_upfront_fee_is_spread_over_the_term():
    offer = offer_of(*upfront("Partial Upfront", "159110", "18.1632"))
    assert (offer.price.amount, offer.upfront_amount) == (Decimal("18.1632"), 159110)
    assert usd_per_hour(offer) == Decimal("18.1632") + Decimal(159110) / 8760


@pytest.mark.parametrize(("length", "hours"), [("1yr", 8760), ("3yr", 26280)])
def test_an_all_upfront_fee_is_the_price_of_the_term(length: str, hours: int):
    fee, per_hour = upfront("All Upfront", "587346", "0.0000000000")
    offer = offer_of({**fee, "LeaseContractLength": length}, {**per_hour, "LeaseContractLength": length})
    assert (offer.price.amount, offer.price.unit, offer.upfront_amount) == (587346, "term", None)
    assert round(usd_per_hour(offer), 6) == round(Decimal(587346) / hours, 6)


@pytest.mark.parametrize("part", [0, 1])
def test_half_of_a_partial_upfront_term_is_no_price(part: int):
    half = upfront("Partial Upfront", "159110", "18.1632")[part]
    assert reasons(facts_of(half)) == ["hourly price and fee do not fit the payment"]


def test_convertible_is_a_sku_of_its_own():
    standard, convertible = facts_of({}, {"OfferTermCode": "7NE97W5U4E", "OfferingClass": "convertible"})
    assert isinstance(standard, Offer)
    assert isinstance(convertible, Offer)
    assert (convertible.sku, convertible.instance_type) == ("p5.48xlarge/convertible", "p5.48xlarge")
    assert standard.offer_id != convertible.offer_id


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"TermType": "OnDemand"}, "on-demand is read from the regional maps"),
        ({"Tenancy": "Dedicated", "usageType": "DedicatedUsage:p5.48xlarge"}, "not shared tenancy"),
        ({"Tenancy": "Host", "usageType": "HostBoxUsage:p5.48xlarge"}, "not shared tenancy"),
        ({"Operating System": "Windows"}, "not Linux"),
        ({"Operating System": "RHEL"}, "not Linux"),
        ({"Pre Installed S/W": "SQL Web"}, "with licensed software"),
        ({"CapacityStatus": "UnusedCapacityReservation"}, "a capacity reservation"),
        ({"usageType": "UnusedBox:p5.48xlarge"}, "not the usage of an instance"),
        ({"usageType": "BoxUsage:p4d.24xlarge"}, "not the usage of an instance"),
        ({"Region Code": "us-east-1-atl-1"}, "not a region"),
        ({"Region Code": "us-east-1-wl1-bos1"}, "not a region"),
        ({"vCPU": "8"}, "vCPUs differ from the seed"),
        ({"Currency": "CNY"}, "not in US dollars"),
        ({"LeaseContractLength": "5yr"}, "an unknown kind of commitment"),
        ({"OfferingClass": "scheduled"}, "an unknown kind of commitment"),
        ({"PricePerUnit": "37,75"}, "the price is not a plain number"),
        ({"PricePerUnit": "0.0000000000"}, "hourly price and fee do not fit the payment"),
        ({"Unit": "Days"}, "a unit other than hours and a fee"),
        ({"Instance Type": "c7i.large", "Instance Family": "Compute optimized"}, "no accelerator"),
        ({"Instance Type": "p7.48xlarge"}, "an accelerator type that the seed lacks"),
        ({"Instance Type": "vt1.3xlarge"}, "no GPU or AI accelerator"),
        ({"MarketOption": "CapacityBlock", "PricePerUnit": "0.0000000000"}, "a price of zero"),
        ({"MarketOption": "CapacityBlock", "Operating System": "Ubuntu Pro"}, "not Linux"),
    ],
)
def test_a_row_that_is_no_linux_commitment_is_left_out(change: dict[str, str], reason: str):
    assert reasons(facts_of(change)) == [reason]


def test_a_capacity_block_with_a_price_is_one():
    offer = offer_of({"TermType": "OnDemand", "MarketOption": "CapacityBlock", "PricePerUnit": "31.464"})
    assert (offer.purchase_option, offer.price.amount) == ("capacity_block", Decimal("31.464"))


def test_a_term_listed_twice_is_one_offer():
    assert reasons(facts_of({}, {})) == ["listed twice", ""]


def test_a_term_at_two_prices_is_an_error():
    with pytest.raises(ParseError, match="two rows per Hrs"):
        facts_of({}, {"PricePerUnit": "18.87"})


def test_columns_are_found_by_their_names():
    first, *others = ROW
    (offer,) = parse(document(table({name: ROW[name] for name in [first, *reversed(others)]})))
    assert isinstance(offer, Offer)
    assert offer.price.amount == Decimal("37.75744")


def test_a_column_named_twice_is_an_error():
    with pytest.raises(ParseError, match="a column twice"):
        list(parse(document(table(ROW).replace(b'"Tenancy"', b'"Region Code"', 1))))


def test_a_row_of_another_length_is_left_out():
    body = table(ROW) + b'"3D4V8UAYEMB38GU2","4NA7Y494T4"\n'
    assert sorted(reasons(list(parse(document(body))))) == ["", "a row of another length"]


@pytest.mark.parametrize(
    ("family", "sku"),
    [
        ("ComputeSavingsPlans", "p5.48xlarge/compute-savings-plan"),
        ("EC2InstanceSavingsPlans", "p5.48xlarge/instance-savings-plan"),
    ],
)
def test_a_savings_plan_is_an_hourly_price_of_its_own_sku(family: str, sku: str):
    offer = offer_of({"Product Family": family}, row=SAVINGS_ROW)
    assert (offer.sku, offer.price.amount, offer.price.unit) == (sku, Decimal("41.2803"), "hour")
    assert (offer.purchase_option, offer.term_months, offer.payment) == ("reserved", 12, "no_upfront")


def test_a_savings_plan_paid_upfront_quotes_the_hour_that_results():
    change = {"PurchaseOption": "All Upfront", "LeaseContractLength": "3", "DiscountedRate": "26.4192"}
    offer = offer_of(change, row=SAVINGS_ROW)
    assert (offer.term_months, offer.payment, usd_per_hour(offer)) == (36, "all_upfront", Decimal("26.4192"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"DiscountedOperation": "RunInstances:0002"}, "not Linux"),
        ({"DiscountedUsageType": "DedicatedUsage:p5.48xlarge"}, "not the usage of an instance"),
        ({"DiscountedUsageType": "UnusedBox:p5.48xlarge"}, "not the usage of an instance"),
        ({"DiscountedServiceCode": "AmazonECS"}, "not the usage of an instance"),
        ({"DiscountedRegionCode": "us-east-1-atl-1"}, "not a region"),
        ({"DiscountedRate": "0"}, "a price of zero"),
        ({"Product Family": "DatabaseSavingsPlans"}, "an unknown kind of commitment"),
    ],
)
def test_a_savings_plan_row_that_is_no_linux_instance_is_left_out(change: dict[str, str], reason: str):
    assert reasons(facts_of(change, row=SAVINGS_ROW)) == [reason]


@pytest.mark.parametrize("name", ["region_index.json", "savings_region_index.json"])
def test_an_index_leads_to_the_csv_of_each_region_and_of_no_local_zone(name: str):
    index = read_capture(SOURCE.name, CAPTURES / name)
    requests = list(follow(index))
    regions = [request.context["region"] for request in requests]
    assert "us-east-1" in regions
    assert not [region for region in regions if region.count("-") > 3 or "phx" in region or "wl1" in region]
    assert all(request.url.startswith(HOST) and request.url.endswith("/index.csv") for request in requests)
    assert all(line_filter(request) for request in requests)
    assert line_filter(index.request) is None


@pytest.mark.parametrize("path", ["https://example.com/index.json", "/offers/../secret/index.json", None])
def test_an_index_that_leads_elsewhere_is_an_error(path: Any):
    body = json.dumps({"regions": {"us-east-1": {"regionCode": "us-east-1", "currentVersionUrl": path}}})
    with pytest.raises(ParseError, match="us-east-1"):
        list(follow(document(body.encode())))


def test_a_csv_leads_nowhere():
    assert not list(follow(document(table(ROW))))


@pytest.mark.parametrize(
    "body", [b"", b"a,b\n1,2\n", b"{}", b"\xff\xfe", b"x" * 200_000, b'{"regions":' * 100_000]
)
def test_another_shape_is_an_error(body: bytes):
    with pytest.raises(ParseError):
        list(parse(document(body)))


@pytest.mark.parametrize("name", ["ec2-us-east-1.csv", "savings-us-east-1.csv"])
def test_the_filter_loses_no_offer(name: str):
    whole = read_capture(SOURCE.name, CAPTURES / name)
    chosen = line_filter(whole.request)
    assert chosen
    kept = b"".join(filtered_lines([whole.body], chosen))
    filtered = Document(source=SOURCE.name, request=whole.request, body=kept, fetched_at=whole.fetched_at)
    offers = [fact for fact in parse(whole) if isinstance(fact, Offer)]
    assert len(offers) > 5
    assert len(kept) < len(whole.body)
    assert [fact for fact in parse(filtered) if isinstance(fact, Offer)] == offers

"""What Azure's price rows mean, one gotcha each."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from gpuledger.core.alias import seed_aliases
from gpuledger.core.document import Document, Request
from gpuledger.core.errors import ParseError
from gpuledger.core.offer import Offer, PurchaseOption, Skipped, StoragePrice, TransferPrice
from gpuledger.core.published import usd_per_hour
from gpuledger.scrapers.azure_retail import SOURCE, follow, parse, parse_batch

ROW = {
    "currencyCode": "USD",
    "tierMinimumUnits": 0.0,
    "retailPrice": 98.32,
    "unitPrice": 98.32,
    "armRegionName": "eastus",
    "effectiveStartDate": "2023-12-01T00:00:00Z",
    "meterName": "ND96isrH100v5",
    "skuId": "DZH318Z0KN53/0046",
    "productName": "Virtual Machines NDsr H100 v5 Series",
    "skuName": "ND96isrH100v5",
    "serviceName": "Virtual Machines",
    "unitOfMeasure": "1 Hour",
    "type": "Consumption",
    "isPrimaryMeterRegion": True,
    "armSkuName": "Standard_ND96isr_H100_v5",
}


def row(**changes):
    changes = {"unitPrice": changes["retailPrice"], **changes} if "retailPrice" in changes else changes
    return {**ROW, **changes}


def page(*items, link=None, url="https://prices.azure.com/api/retail/prices"):
    return Document(
        source="azure_retail",
        request=Request(url=url),
        body=json.dumps({"Items": list(items), "NextPageLink": link}).encode(),
        fetched_at=datetime(2026, 10, 7, tzinfo=UTC),
    )


def facts(*items):
    return list(parse(page(*items)))


def reason(item):
    (fact,) = facts(item)
    assert isinstance(fact, Skipped)
    return fact.reason


def test_a_machine_is_priced_by_the_hour_for_all_its_gpus():
    (offer,) = facts(ROW)
    assert offer.gpu_count == 8
    assert usd_per_hour(offer) == Decimal("98.32")


def test_a_reservation_is_the_total_of_its_term_though_its_unit_says_one_hour():
    (offer,) = facts(row(retailPrice=551221.0, type="Reservation", reservationTerm="1 Year"))
    assert offer.purchase_option is PurchaseOption.RESERVED
    assert offer.term_months == 12
    assert usd_per_hour(offer).quantize(Decimal("0.01")) == Decimal("62.92")


def test_consumption_and_reservation_under_one_meter_are_two_offers():
    reserved = row(retailPrice=551221.0, type="Reservation", reservationTerm="1 Year")
    assert len({offer.offer_id for offer in facts(ROW, reserved)}) == 2


def test_a_savings_plan_is_an_hourly_rate_with_a_term():
    plans = [{"retailPrice": 70.5, "unitPrice": 70.5, "term": "1 Year"}]
    (plan,) = [fact for fact in facts(row(savingsPlan=plans)) if fact.payment]
    assert (plan.payment, plan.term_months, usd_per_hour(plan)) == ("savings_plan", 12, Decimal("70.5"))


def test_a_savings_plan_dearer_than_the_full_price_is_left_out():
    found = facts(row(savingsPlan=[{"retailPrice": 98.4, "term": "1 Year"}]))
    assert [fact.reason for fact in found if isinstance(fact, Skipped)] == [
        "a savings plan without a believable rate"
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"productName": "Virtual Machines NDsr H100 v5 Series Windows"}, "Windows"),
        ({"productName": "Virtual Machines NCCadsv5 Srs Win"}, "Windows"),
        ({"meterName": "ND96isrH100v5 Low Priority"}, "Low Priority is sold to Batch only"),
        ({"type": "DevTestConsumption"}, "DevTest"),
        ({"productName": "NC Series Cloud Services"}, "Cloud Services"),
        ({"productName": "NDasr A100 v4 Series Dedicated Host"}, "dedicated host"),
        ({"productName": None}, "a product that is not a machine series"),
        ({"retailPrice": 0}, "a price of zero is not a price"),
        ({"retailPrice": None}, "no price, or two that differ"),
        ({"retailPrice": "98.32"}, "no price, or two that differ"),
        ({"unitPrice": 9.832}, "no price, or two that differ"),
        ({"armSkuName": "Standard_D8s_v5"}, "no size of an N series"),
        ({"armSkuName": "Standard_NP10s"}, "no GPU"),
        ({"armRegionName": ""}, "no region"),
        ({"armRegionName": "usgovvirginia"}, "government region"),
        ({"effectiveStartDate": "2026-12-01T00:00:00Z"}, "no effective date, or one in the future"),
        ({"isPrimaryMeterRegion": False}, "repeats the price of its primary meter region"),
        ({"type": "Reservation"}, "no term of 1, 3 or 5 years"),
        ({"unitOfMeasure": "1/Month"}, "not sold by the hour"),
    ],
)
def test_a_row_that_is_no_plain_linux_price_says_why(changes, expected):
    assert reason(row(**changes)) == expected


def test_spot_at_the_full_price_is_a_placeholder_even_when_the_full_price_is_on_another_page():
    spot = row(meterName="ND96isrH100v5 Spot", skuName="ND96isrH100v5 Spot")
    found = [fact for _, fact in parse_batch([page(spot), page(ROW)])]
    assert [fact.purchase_option for fact in found if isinstance(fact, Offer)] == [PurchaseOption.ON_DEMAND]
    assert [fact.reason for fact in found if isinstance(fact, Skipped)] == [
        "spot at the full price is a placeholder"
    ]


def test_spot_as_dear_as_a_commitment_is_a_placeholder_where_no_full_price_is_at_hand():
    spot = row(meterName="ND96isrH100v5 Spot", skuName="ND96isrH100v5 Spot")
    reserved = row(retailPrice=551221.0, type="Reservation", reservationTerm="1 Year")
    assert [fact.sku for fact in facts(spot) if isinstance(fact, Offer)] == ["Standard_ND96isr_H100_v5"]
    options = {fact.purchase_option for fact in facts(spot, reserved) if isinstance(fact, Offer)}
    assert options == {PurchaseOption.RESERVED}


def test_the_latest_price_in_force_speaks():
    older = row(retailPrice=99.9, effectiveStartDate="2023-06-01T00:00:00Z")
    assert [fact.price.amount for fact in facts(older, ROW) if isinstance(fact, Offer)] == [Decimal("98.32")]


def test_two_meters_that_disagree_give_no_price():
    found = facts(ROW, row(retailPrice=12.29, skuId="DZH318Z0KN53/0099"))
    assert [fact.reason for fact in found] == ["two meters price this differently"] * 2


def test_two_prices_under_one_sku_id_are_a_contradiction():
    with pytest.raises(ParseError, match="one skuId"):
        facts(ROW, row(retailPrice=12.29))


def test_the_next_page_is_followed_on_the_same_host_only():
    (request,) = follow(page(link="https://prices.azure.com:443/api/retail/prices?$skip=1000"))
    assert request.url == "https://prices.azure.com/api/retail/prices?$skip=1000"
    assert list(follow(page(link=None))) == []
    with pytest.raises(ParseError, match="leads away"):
        list(follow(page(link="https://prices.azure.com.example.org/x")))


def test_a_disk_is_sold_by_size_and_priced_per_gb():
    disk = {"serviceName": "Storage", "skuName": "P30 LRS", "meterName": "P30 LRS Disk"}
    item = row(retailPrice=135.17, unitOfMeasure="1/Month", productName="Premium SSD Managed Disks", **disk)
    (price,) = facts(item)
    assert isinstance(price, StoragePrice)
    # 135.17 for 1,024 GiB, which are 1,099.5 GB
    assert price.amount_per_gb_month == Decimal("0.122936399")


def test_the_free_first_tier_of_egress_is_a_tier():
    def tier(start, price):
        names = {"serviceName": "Bandwidth", "meterName": "Standard Data Transfer Out"}
        product = {"productName": "Rtn Preference: MGN", "unitOfMeasure": "1 GB"}
        return row(retailPrice=price, tierMinimumUnits=start, **names, **product)

    free, paid = facts(tier(0.0, 0.0), tier(100.0, 0.087))
    assert isinstance(free, TransferPrice)
    assert (free.from_gb, free.amount_per_gb, paid.from_gb, paid.amount_per_gb) == (
        0,
        0,
        100,
        Decimal("0.087"),
    )


def test_all_requests_go_to_one_host_without_a_key():
    assert len(SOURCE.requests) == 7
    assert {request.url.split("?")[0] for request in SOURCE.requests} == {
        "https://prices.azure.com/api/retail/prices"
    }
    assert all(request.credential is None for request in SOURCE.requests)


def test_a_size_of_unknown_shape_keeps_its_price_and_is_shown_as_unmapped():
    (offer,) = facts(row(armSkuName="Standard_ND512isr_X9_v9"))
    assert isinstance(offer, Offer)
    assert (offer.gpu_label, offer.gpu_count, offer.vcpus) == ("Standard_ND512isr_X9_v9", 1, 512)
    assert seed_aliases().resolve("azure", offer.gpu_label, offer.gpu_memory_gib) is None


@pytest.mark.parametrize(
    ("size", "gpu_id", "count"),
    [
        ("Standard_NC144ds_xl_RTXPRO6000BSE_v6", "rtx-pro-6000-96gb", 1),
        ("Standard_NC36lds_xl_RTXPRO6000BSE_v6", "rtx-pro-6000-96gb", Decimal("0.25")),
        ("Standard_ND128isr_GB200_v6", "gb200-186gb", 4),
        ("Standard_ND128isr_GB300_v6", "gb300-288gb", 4),
        ("Standard_NC32ads_A10_v4", "a10-24gb", 2),
    ],
)
def test_the_new_series_have_shapes(size: str, gpu_id: str, count):
    (offer,) = facts(row(armSkuName=size, retailPrice=5.5 * float(count), unitPrice=5.5 * float(count)))
    assert offer.gpu_count == count
    assert seed_aliases().resolve("azure", offer.gpu_label, offer.gpu_memory_gib) == gpu_id

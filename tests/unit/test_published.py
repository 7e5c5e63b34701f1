"""One published price as dollars per instance and GPU, and the row that people read."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from gpuledger.core.count import decimal_text, instant_text
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Offer
from gpuledger.core.published import published_row, usd_per_hour

AT = datetime(2026, 10, 7, 12, 0, tzinfo=UTC)


def offer(amount: str, unit: Unit, **more: Any) -> Offer:
    terms: dict[str, Any] = {
        "provider": "aws",
        "sku": "p5.48xlarge",
        "gpu_label": "H100",
        "gpu_count": Decimal(8),
        "purchase_option": "on_demand",
        "price": Price(amount=Decimal(amount), unit=unit, currency=more.pop("currency", "USD")),
    }
    return Offer(**terms | more)


HOURLY: dict[str, tuple[Offer, str]] = {
    "the instance by the hour": (offer("98.32", Unit.HOUR), "98.32"),
    "one GPU by the hour": (offer("2.69", Unit.GPU_HOUR), "21.52"),
    "a slice of a GPU": (offer("0.4", Unit.GPU_HOUR, gpu_count=Decimal("0.25")), "0.1"),
    "the instance by the month": (offer("730", Unit.MONTH), "1"),
    "a whole term": (offer("87600", Unit.TERM, term_months=Decimal(12)), "10"),
    "a term without a length is a month": (offer("730", Unit.TERM), "1"),
    "partly upfront": (
        offer("5", Unit.HOUR, term_months=Decimal(12), upfront_amount=Decimal(43800)),
        "10",
    ),
    "a week is 168 hours": (offer("168", Unit.TERM, term_months=Decimal(168) / 730), "1"),
}


@pytest.mark.parametrize("what", HOURLY)
def test_every_unit_comes_to_dollars_per_instance_and_hour(what: str):
    published, usd = HOURLY[what]
    assert usd_per_hour(published).quantize(Decimal("1e-12")) == Decimal(usd)


def test_another_currency_is_converted_as_a_whole():
    published = offer("2", Unit.GPU_HOUR, currency="EUR", term_months=Decimal(1), upfront_amount=Decimal(730))
    assert usd_per_hour(published, Decimal("1.1")) == Decimal("18.7")


PLAIN = {
    "2.690000": "2.69",
    "8E+1": "80",
    "0.0000004": "0",
    "0.0000015": "0.000002",
    "-0.0000001": "0",
    "1234567.1": "1234567.1",
}


@pytest.mark.parametrize(("value", "text"), PLAIN.items())
def test_money_is_written_without_exponent_and_needless_zeros(value: str, text: str):
    assert decimal_text(Decimal(value)) == text


def test_what_is_absent_stays_absent():
    assert decimal_text(None) is None
    assert instant_text(None) is None


def test_instants_are_in_utc_with_a_z():
    there = AT.astimezone(timezone(timedelta(hours=9)))
    assert instant_text(there) == "2026-10-07T12:00:00Z"


def row(published: Offer, **usd_per_unit: str) -> dict[str, Any]:
    rates = {currency: Decimal(rate) for currency, rate in usd_per_unit.items()}
    return published_row("aws_bulk", published, gpu_id="h100-sxm-80gb", observed_at=AT, usd_per_unit=rates)


PINNED = """
provider source sku instance_type region zone tier gpu_label gpu_id gpu_count gpu_memory_gib vcpus memory_gib
purchase_option term_months upfront_usd availability amount currency unit usd_per_hour usd_per_gpu_hour
effective_at observed_at
"""


def test_the_row_has_every_pinned_key():
    assert set(PINNED.split()) <= set(row(offer("98.32", Unit.HOUR)))


def test_the_row_gives_the_instance_and_the_gpu_apart():
    found = row(offer("98.32", Unit.HOUR))
    assert (found["amount"], found["usd_per_hour"], found["usd_per_gpu_hour"]) == ("98.32", "98.32", "12.29")
    assert (found["gpu_count"], found["region"], found["observed_at"]) == (
        8,
        "global",
        "2026-10-07T12:00:00Z",
    )


def test_without_an_exchange_rate_the_dollars_are_null_and_never_guessed():
    euros = offer("2", Unit.GPU_HOUR, currency="EUR", term_months=Decimal(1), upfront_amount=Decimal(10))
    assert [
        row(euros)[key] for key in ("amount", "currency", "usd_per_hour", "usd_per_gpu_hour", "upfront_usd")
    ] == [
        "2",
        "EUR",
        None,
        None,
        None,
    ]
    assert row(euros, EUR="1.25")["upfront_usd"] == "12.5"


def test_a_list_that_dates_its_rows_says_when():
    dated = offer("98.32", Unit.HOUR, observed_at=datetime(2024, 5, 1, tzinfo=UTC))
    assert row(dated)["observed_at"] == "2024-05-01T00:00:00Z"


def test_an_instance_without_a_name_is_called_by_its_sku():
    assert row(offer("1", Unit.HOUR))["instance_type"] == "p5.48xlarge"
    assert row(offer("1", Unit.HOUR, instance_type="P5"))["instance_type"] == "P5"

"""Amounts as published: which texts are numbers, and which prices exist."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from gpuledger.core.money import HOURS_PER_MONTH, Price, Unit, decimal_from, dollars_from, total_from

READABLE = {
    "49.24": "49.24",
    " 2.69 ": "2.69",
    "0.0009": "0.0009",
    "9.0E-4": "0.00090",
    "9.0e-4": "0.00090",
    "1,234": "1234",
    "1,234.56": "1234.56",
    "12,345,678.9": "12345678.9",
    "-3.5": "-3.5",
    "-1,000": "-1000",
    "7": "7",
}


@pytest.mark.parametrize(("text", "value"), READABLE.items())
def test_a_plain_decimal_string_is_read_exactly(text: str, value: str):
    assert decimal_from(text) == Decimal(value)


UNREADABLE = (
    "1,59",
    "1.234,56",
    "12,34",
    "1,2345",
    "1234,567",
    ",123",
    "1,,234",
    "1.2.3",
    "$2.50",
    "2.50 USD",
    "2 50",
    "",
    " ",
    "-",
    "n/a",
    "NaN",
    "sNaN",
    "Infinity",
    "-inf",
    "0x10",
)


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_cannot_be_read_without_guessing_is_refused_with_the_text_seen(text: str):
    with pytest.raises(ValueError, match="not a decimal number") as caught:
        decimal_from(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("amount", ["0", "-2.5", "NaN", "Infinity", "1e11"])
def test_a_price_is_positive_and_finite(amount: str):
    with pytest.raises(ValidationError, match="amount"):
        Price(amount=Decimal(amount), unit=Unit.HOUR)


@pytest.mark.parametrize("currency", ["usd", "US", "USDT", "$", ""])
def test_a_currency_is_three_capitals(currency: str):
    with pytest.raises(ValidationError, match="currency"):
        Price(amount=Decimal(1), currency=currency, unit=Unit.HOUR)


def test_the_unit_of_a_price_is_never_guessed():
    with pytest.raises(ValidationError, match="unit"):
        Price.model_validate({"amount": "2.5"})


def test_a_month_has_730_hours():
    assert Decimal(8760) / 12 == HOURS_PER_MONTH


@pytest.mark.parametrize(
    ("text", "usd"),
    [("20", "20"), ("$20", "20"), ("20USD", "20"), ("20 dollars", "20"), ("$1,250.50", "1250.50"), ("50k", "50000"),
     ("2.5M USD", "2500000"), ("1e3", "1000"), ("-5", "-5")],
)  # fmt: skip
def test_dollars_as_people_write_them(text, usd):
    assert dollars_from(text) == Decimal(usd)


@pytest.mark.parametrize("text", ["", "cheap", "20 EUR", "1,5", "$", "20 20", "nan", "1e999999k", "20m$k"])
def test_what_is_no_amount_of_dollars_is_refused(text):
    with pytest.raises(ValueError, match=r"no amount|not a|out of"):
        dollars_from(text)


@pytest.mark.parametrize(
    ("text", "meanings"),
    [
        ("1.000", "1 or 1000"),
        ("$1.250", "1.25 or 1250"),
        ("25.000 USD", "25 or 25000"),
        ("999.999", "999.999 or 999999"),
    ],
)
def test_a_sum_that_may_be_a_thousand_times_as_much_is_refused(text, meanings):
    with pytest.raises(ValueError, match=f"may be {meanings}"):
        total_from(text)


@pytest.mark.parametrize(
    ("text", "usd"),
    [
        ("1.25", "1.25"),
        ("0.125", "0.125"),
        ("1.2500", "1.25"),
        ("1000.125", "1000.125"),
        ("1.250k", "1250"),
        ("1,250", "1250"),
    ],
)
def test_a_sum_with_one_meaning_is_read(text, usd):
    assert total_from(text) == Decimal(usd)


def test_a_rate_has_three_decimals():
    assert dollars_from("1.250") == Decimal("1.25")

"""The European Central Bank's peculiarities, one each."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gpuledger.core.document import Document, Request
from gpuledger.core.errors import ParseError
from gpuledger.core.offer import ExchangeRate
from gpuledger.scrapers import ecb
from tools.captures import skipped_by_reason

CAPTURES = Path(__file__).resolve().parents[1] / "captures" / "ecb"
AT = datetime(2026, 10, 7, tzinfo=UTC)


def document(body: Any, url: str = "https://a.example/") -> Document:
    content = body if isinstance(body, str) else json.dumps(body)
    return Document(source="ecb", request=Request(url=url), body=content.encode(), fetched_at=AT)


XML = (CAPTURES / "eurofxref-daily.xml").read_text()


def rates(body: str) -> dict[str, ExchangeRate]:
    return {fact.currency: fact for fact in ecb.parse(document(body)) if isinstance(fact, ExchangeRate)}


def test_a_rate_is_what_one_unit_is_worth_in_dollars():
    found = rates(XML)
    assert found["EUR"].usd_per_unit == Decimal("1.1640")
    assert found["GBP"].usd_per_unit == Decimal("1.339470656")
    assert "USD" not in found


def test_the_date_is_that_of_the_rates_not_of_the_fetch():
    assert {rate.rate_date.isoformat() for rate in rates(XML).values()} == {"2026-10-06"}


@pytest.mark.parametrize("rate", ["n/a", "", "0", "1,1640", "-1.2", "1e9"])
def test_what_is_no_rate_is_left_out(rate: str):
    facts = list(ecb.parse(document(XML.replace("0.8690", rate))))
    assert skipped_by_reason(facts) == {"no currency or rate": 2}


@pytest.mark.parametrize(
    ("seen", "put", "message"),
    [
        ("<gesmes:Envelope", "<!DOCTYPE a [<!ENTITY b 'c'>]><gesmes:Envelope", "document type"),
        ("currency='USD'", "currency='XUS'", "no rate of the US dollar"),
        ("1.1640", "11.640", "a euro of 11.640 US dollars"),
        ("currency='GBP'", "currency='JPY'", "listed twice"),
        ("2026-10-06", "6 October 2026", "not a date"),
        ("time='2026-10-06'", "", "0 days of rates"),
        ("</Cube>\n</gesmes:Envelope>", "", "not XML"),
    ],
)
def test_a_document_of_another_shape_is_an_error(seen: str, put: str, message: str):
    with pytest.raises(ParseError, match=message):
        rates(XML.replace(seen, put))

"""European Central Bank: euro reference rates of the day, about 30 currencies, as XML; no offers.

A rate says how much of a currency one euro buys. We keep US dollars per unit: the dollar's own rate for the
euro, and its quotient with their rates for all others. Published on working days at about 16:00 CET; a
weekend keeps Friday's date, which stays beside each rate. The document has no entities and no DOCTYPE, so
one that has is refused unread: an entity may expand to gigabytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from xml.etree import ElementTree

from gpuledger.core.contract import Contract
from gpuledger.core.count import counted
from gpuledger.core.document import Document, Request
from gpuledger.core.offer import ExchangeRate, Fact, Skipped
from gpuledger.scrapers.source import DAILY, Source

CUBE = "{http://www.ecb.int/vocabulary/2002-08-01/eurofxref}Cube"
RATE = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", re.ASCII)
CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
MOST_BYTES = 2**20
RESOLUTION = Decimal("1E-9")
USD_PER_EUR = (Decimal("0.6"), Decimal(2))
"""Beyond any rate since 1999 (ECB: 0.8252 on 2000-10-26, 1.5990 on 2008-07-15). A rate out of this would give
every price in euros a wrong amount of dollars."""


def parse(document: Document) -> Iterator[Fact]:
    """The rates of the document's day.

    Raises:
        ParseError: too large, not XML, a DOCTYPE, not one day, a currency twice, or no believable
            rate of the dollar.
    """
    if len(document.body) > MOST_BYTES:
        raise document.error(f"{len(document.body)} bytes, far more than a day of rates")
    body = document.text()
    if re.search(r"<!\s*(?:DOCTYPE|ENTITY)", body, re.IGNORECASE):
        raise document.error("a document type declaration, which this document never has")
    try:
        tree = ElementTree.fromstring(body)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise document.error(f"not XML ({error})") from error
    days = [cube for cube in tree.iter(CUBE) if "time" in cube.attrib]
    if len(days) != 1:
        raise document.error(f"{counted(len(days), 'day')} of rates, one expected")
    try:
        day = date.fromisoformat(days[0].attrib["time"])
    except ValueError as error:
        raise document.error(f"not a date: {days[0].attrib['time'][:40]!r}") from error
    return _rates(days[0], day, document)


def _rates(cube: ElementTree.Element, day: date, document: Document) -> Iterator[Fact]:
    per_euro: dict[str, Decimal] = {}
    for entry in cube:
        currency, rate = entry.attrib.get("currency", ""), entry.attrib.get("rate", "")
        if not CURRENCY.fullmatch(currency) or not RATE.fullmatch(rate) or not Decimal(rate):
            yield Skipped("no currency or rate", {"currency": currency[:40], "rate": rate[:40]})
        elif currency in per_euro:
            raise document.error(f"{currency} is listed twice")
        else:
            per_euro[currency] = Decimal(rate)
    if "USD" not in per_euro:
        raise document.error("no rate of the US dollar")
    dollars = per_euro.pop("USD")
    if not USD_PER_EUR[0] <= dollars <= USD_PER_EUR[1]:
        raise document.error(f"a euro of {dollars:f} US dollars")
    yield ExchangeRate(currency="EUR", usd_per_unit=dollars, rate_date=day)
    for currency, rate in per_euro.items():
        value = max((dollars / rate).quantize(RESOLUTION), RESOLUTION)
        yield ExchangeRate(currency=currency, usd_per_unit=value, rate_date=day)


SOURCE = Source(
    name="ecb",
    homepage="https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates/",
    every=DAILY,
    fresh_for=timedelta(hours=98),
    requests=(Request(url="https://www.ecb.europa.eu/stats/eurofxref/eurofxref-daily.xml"),),
    parse=parse,
    contract=Contract(min_offers=0),
    covers="euro reference rates of about 30 currencies, kept as US dollars per unit with their date",
    licence="ECB statistics may be reused free of charge with the source named",
    max_body_mib=1,
)

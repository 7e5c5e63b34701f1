"""Small pure readers that several adapters share: JSON, amounts, offers. Those of pages are in `scrapers.read_html`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from gpuledger.core.document import Document
from gpuledger.core.offer import Availability, Fact, Offer, Skipped, StoragePrice, TransferPrice


def mapping(value: Any, document: Document, what: str) -> dict[str, Any]:
    """`value`, which must be a JSON object.

    Raises:
        ParseError: it is something else; says what was seen.
    """
    if not isinstance(value, dict):
        raise document.error(f"{what} is {type(value).__name__}, not an object")
    return value  # pyright: ignore[reportUnknownVariableType]


def rows(value: Any, document: Document, what: str) -> Iterator[dict[str, Any]]:
    """The objects of a JSON array.

    Raises:
        ParseError: it is not an array, or an entry is not an object.
    """
    if not isinstance(value, list):
        raise document.error(f"{what} is {type(value).__name__}, not an array")
    for number, entry in enumerate(value):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        yield mapping(entry, document, f"{what}[{number}]")


def listed(document: Document, name: str) -> Iterator[dict[str, Any]]:
    """The objects of the array `name` in an answer that is a JSON object.

    Raises:
        ParseError: the answer is no object, `name` no array, or an entry no object.
    """
    return rows(mapping(document.json(), document, "answer").get(name), document, name)


def picked(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """What of a row is shown where it is left out."""
    return {name: row.get(name) for name in names}


def number(value: Any) -> Decimal | None:
    """A JSON number as `Decimal`; `None` for null, booleans, text and anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return None
    return Decimal(value)


def fields(value: Any) -> dict[str, Any]:
    """An optional JSON object; empty for null and for anything that is not an object."""
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def within(value: Any, most: int) -> Decimal | None:
    """A JSON number that is above zero and at most `most`; `None` for anything else.

    Sizes and amounts pass through here before any arithmetic: JSON can hold 1E+999999999, and a `Decimal`
    of that kind overflows, or fills the memory once it is written out.
    """
    amount = number(value)
    return amount if amount is not None and 0 < amount <= most else None


def divided(value: Any, most: int, by: Decimal | int) -> Decimal | None:
    """`within`, shared out or in another unit: the memory of all GPUs by their count, MiB by 1024."""
    amount = within(value, most)
    return None if amount is None else amount / by


LEAST_AMOUNT = Decimal("0.000000001")
"""Smallest amount that the ledger keeps apart from zero (storage and transfer, DECIMAL(18,9))."""

_PLAIN_DECIMAL = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,20})?(?:[eE][+-]?[0-9]{1,2})?", re.ASCII)


def price_or_reason(value: Any, most: int, *, zero_is_a_price: bool = False) -> Decimal | str:
    """The amount of a JSON price given as text (`55.0400000000`, `9.0E-4`) or number, above zero and at most
    `most`; otherwise the reason for leaving the row out."""
    if value is None or (isinstance(value, str) and value.strip(" *").upper() in ("", "N/A", "NA")):
        return "no price"
    amount = number(value)
    if isinstance(value, str) and _PLAIN_DECIMAL.fullmatch(value.strip()):
        amount = Decimal(value.strip())
    if amount is None:
        return "the price is not a plain number"
    if amount == 0:
        return Decimal(0) if zero_is_a_price else "a price of zero"
    return amount if LEAST_AMOUNT <= amount <= most else "the price is out of bounds"


def priced(row: Any, **terms: Any) -> Offer | Skipped:
    """The offer of these terms, or the row left out where a term is beyond what an offer can hold."""
    try:
        return Offer(**terms)
    except ValidationError:
        return Skipped("a value is out of bounds", row)


def charged(
    row: Any, fact: type[StoragePrice] | type[TransferPrice], /, **terms: Any
) -> StoragePrice | TransferPrice | Skipped:
    """The price of storage or transfer of these terms, or the row left out where a term is out of bounds."""
    try:
        return fact(**terms)
    except ValidationError:
        return Skipped("a value is out of bounds", row)


def each_once(facts: Iterable[Fact], document: Document) -> Iterator[Fact]:
    """The facts; an offer that is listed again is left out.

    Raises:
        ParseError: one offer is listed twice with different terms, so at least one was misread.
    """
    seen: dict[str, Offer] = {}
    for fact in facts:
        if not isinstance(fact, Offer):
            yield fact
            continue
        first = seen.setdefault(fact.offer_id, fact)
        if first is fact:
            yield fact
        elif first == fact:
            yield Skipped("listed twice", fact.model_dump(mode="json", exclude_none=True))
        else:
            raise document.error(
                f"{fact.sku} ({fact.purchase_option}, {fact.region}) is listed at {first.price.amount:f} and "
                f"at {fact.price.amount:f} {fact.price.currency}, or with other terms"
            )


_GB_PER_GIB = Decimal(2**30) / 10**9


def slug(words: str, joint: str = "-") -> str:
    """Words in lower case, all but letters and digits replaced: `NVIDIA L40S` becomes `nvidia-l40s`."""
    return re.sub(r"[^a-z0-9]+", joint, words.casefold()).strip(joint)


def per_gb(amount_per_gib: Decimal) -> Decimal:
    """A price per GiB as a price per GB, to nine places."""
    return (amount_per_gib / _GB_PER_GIB).quantize(Decimal("1E-9")).normalize()


def leaf(value: Any, *names: str) -> Any:
    """The value that these names lead to through JSON objects; `None` where one is missing or no object."""
    for name in names:
        value = fields(value).get(name)
    return value


def array(value: Any) -> list[Any]:
    """An optional JSON array; empty for null and for anything that is not an array."""
    return value if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType]


def text(value: Any) -> str | None:
    """A JSON string with something in it, blanks around it removed; `None` for anything else."""
    return value.strip() or None if isinstance(value, str) else None


def contradicts(hourly: Decimal, monthly: Any) -> bool:
    """Whether a monthly amount cannot belong to this hourly one. Price lists bill a month as 667 (Linode) to
    1,010 hours (Vultr's GH200, 2026-04-01); anything else is a swapped or rescaled field."""
    amount = within(monthly, 100_000_000)
    return amount is not None and not 500 <= amount / hourly <= 1100


def hourly_or_reason(hourly: Any, monthly: Any, most: int = 10_000) -> Decimal | str:
    """An hourly amount that the monthly one beside it agrees with, or the reason for leaving the row out."""
    amount = within(hourly, most)
    if amount is None:
        return "no price"
    return "hourly and monthly price contradict each other" if contradicts(amount, monthly) else amount


def priced_by_place(
    row: Any, places: Any, *, is_sold: bool = True, **terms: Any
) -> Iterator[Offer | Skipped]:
    """An offer for each place where the product can be had. An empty list of places means that it is sold out
    and no list that its stock is unknown; the price stays, for `global`."""
    for place in [text(place) for place in array(places)] or [None]:
        stock = Availability.AVAILABLE if is_sold and place else Availability.SOLD_OUT
        stock_there = stock if isinstance(places, list) else Availability.UNKNOWN
        yield priced(row, region=place or "global", availability=stock_there, **terms)


def merged(
    documents: Sequence[Document], parse: Callable[[Document], Iterable[Fact]]
) -> Iterator[tuple[Document, Fact]]:
    """The facts of several answers about the same offers, say one without a key and one with it.

    Of an offer that is in more than one answer, the one that knows its stock stands; otherwise the first.
    """
    facts = [(document, fact) for document in documents for fact in parse(document)]
    stands: dict[str, int] = {}
    for place, (_, fact) in enumerate(facts):
        if isinstance(fact, Offer):
            other = facts[stands.setdefault(fact.offer_id, place)][1]
            if _knows_stock(fact) and not _knows_stock(other):
                stands[fact.offer_id] = place
    for place, (document, fact) in enumerate(facts):
        if isinstance(fact, Offer) and stands[fact.offer_id] != place:
            fact = Skipped("also in another answer", fact.model_dump(mode="json", exclude_none=True))
        yield document, fact


def _knows_stock(fact: Fact) -> bool:
    return isinstance(fact, Offer) and fact.availability is not Availability.UNKNOWN

"""Small pure readers that several adapters share: HTML, amounts, sizes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from bs4 import BeautifulSoup, Tag
from pydantic import ValidationError

from core.document import Document
from core.money import decimal_from
from core.offer import Availability, Fact, Offer, Skipped, StoragePrice, TransferPrice

_AMOUNT = re.compile(r"^\s*(?:US)?\$?\s*([0-9][0-9,]*(?:\.[0-9]+)?)\s*(?:/.*)?$", re.DOTALL)
_LEADING_NUMBER = re.compile(r"\s*([0-9][0-9,]*(?:\.[0-9]+)?)")


MOST_HTML_BYTES = 16 * 2**20
"""A parsed page takes tens of times its size in memory; the largest price page read here is under 4 MiB."""

MOST_HTML_TAGS = 150_000
"""Opening and closing ones. A page of 4 MiB has under 50,000; each takes a kilobyte and some microseconds."""

MOST_HTML_DEPTH = 500
"""Looking for the parent of each cell takes time with the depth; price pages are nested below 60 deep."""


def soup(document: Document) -> BeautifulSoup:
    """The document as parsed HTML; scripts are data here and never run.

    Raises:
        ParseError: too large or deep, not UTF-8, no HTML, or cut off: a price may have lost digits there.
    """
    if len(document.body) > MOST_HTML_BYTES or document.body.count(b"<") > MOST_HTML_TAGS:
        raise document.error(f"an HTML page of {len(document.body) >> 20} MiB or too many tags")
    text = document.text()
    if "</html" not in text[-2000:].lower():
        raise document.error(f"no whole HTML page; the body begins {document.body[:60]!r}")
    tree = BeautifulSoup(text, "lxml")
    if tree.find() is None:
        raise document.error(f"no HTML; the body begins {document.body[:60]!r}")
    depths = {id(tree): 0}
    for tag in tree.find_all(True):
        depths[id(tag)] = depths[id(tag.parent)] + 1
    if max(depths.values()) > MOST_HTML_DEPTH:
        raise document.error(f"HTML is nested {max(depths.values())} deep")
    return tree


def words(tag: Tag | None) -> str:
    """The text of an element in one line, footnote marks (`<sup>`) left out; empty for `None`."""
    if tag is None:
        return ""
    return " ".join(
        " ".join(
            str(piece) for piece in tag.find_all(string=True) if piece.find_parent("sup") is None
        ).split()
    )


def usd(text: str) -> Decimal | None:
    """The amount of `$49.24`, `49.24` or `$49.24 / hour`; `None` when no price is stated.

    Raises:
        ValueError: a number is there, but not one that can be read without guessing (`$1,59`, `€2.10`).
    """
    match = _AMOUNT.match(text)
    if match:
        return decimal_from(match.group(1))
    if any(character.isdigit() for character in text):
        raise ValueError(f"not a US dollar amount: {text!r}")
    return None


def leading_number(text: str) -> Decimal | None:
    """The number that a cell begins with: `2,048 GB` gives 2048; `None` when it begins with none."""
    match = _LEADING_NUMBER.match(text)
    return decimal_from(match.group(1)) if match else None


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
    found = number(value)
    return found if found is not None and 0 < found <= most else None


def size_in(text: str, most: int) -> Decimal | None:
    """The size that a cell begins with, above zero and at most `most`: `2,048 GB` gives 2048; `None` where
    there is none that can be read without guessing."""
    try:
        return within(leading_number(text), most)
    except ValueError:
        return None


LEAST_AMOUNT = Decimal("0.000000001")
"""Smallest amount that the ledger keeps apart from zero (storage and transfer, DECIMAL(18,9))."""

_PLAIN_DECIMAL = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,20})?(?:[eE][+-]?[0-9]{1,2})?", re.ASCII)


def price_or_reason(value: Any, most: int, *, zero_is_a_price: bool = False) -> Decimal | str:
    """The amount of a JSON price given as text (`55.0400000000`, `9.0E-4`) or number, above zero and at most
    `most`; otherwise the reason for leaving the row out."""
    if value is None or (isinstance(value, str) and value.strip(" *").upper() in ("", "N/A", "NA")):
        return "no price"
    found = number(value)
    if isinstance(value, str) and _PLAIN_DECIMAL.fullmatch(value.strip()):
        found = Decimal(value.strip())
    if found is None:
        return "the price is not a plain number"
    if found == 0:
        return Decimal(0) if zero_is_a_price else "a price of zero"
    return found if LEAST_AMOUNT <= found <= most else "the price is out of bounds"


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

_EXACT_USD = re.compile(r"\$([0-9]{1,6}(?:\.[0-9]{1,6})?)", re.ASCII)

_HOST_CLOUDS = {
    "amazon": "aws",
    "amazon_web_services": "aws",
    "datacrunch": "verda",
    "digital_ocean": "digitalocean",
    "google": "gcp",
    "google_cloud": "gcp",
    "lambdalabs": "lambda",
    "lambda_labs": "lambda",
    "nebius_ai": "nebius",
    "oracle": "oci",
    "vastai": "vast",
    "vast_ai": "vast",
}
"""Aggregators' words for clouds that we know by another name (answers and catalogues of 2025 and 2026)."""


def exact_usd(text: str) -> Decimal | None:
    """The amount of a cell that holds nothing but `$4.50`; `None` for `from $4.50`, `$1,234` and words.

    Commas are refused: no hourly price needs one, and `$4,500` may be a decimal comma.
    """
    match = _EXACT_USD.fullmatch(text.strip())
    return Decimal(match.group(1)) if match and Decimal(match.group(1)) > 0 else None


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


def host_cloud(name: str) -> str:
    """The provider id of a cloud that an aggregator names: `Massed Compute` becomes `massed_compute`."""
    slug = re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_")
    return _HOST_CLOUDS.get(slug, slug)


def merged(
    documents: Sequence[Document], parse: Callable[[Document], Iterable[Fact]]
) -> Iterator[tuple[Document, Fact]]:
    """The facts of several answers about the same offers, say one without a key and one with it.

    Of an offer that is in more than one answer, the one that knows its stock stands; otherwise the first.
    """
    found = [(document, fact) for document in documents for fact in parse(document)]
    stands: dict[str, int] = {}
    for place, (_, fact) in enumerate(found):
        if isinstance(fact, Offer):
            other = found[stands.setdefault(fact.offer_id, place)][1]
            if _knows_stock(fact) and not _knows_stock(other):
                stands[fact.offer_id] = place
    for place, (document, fact) in enumerate(found):
        if isinstance(fact, Offer) and stands[fact.offer_id] != place:
            fact = Skipped("also in another answer", fact.model_dump(mode="json", exclude_none=True))
        yield document, fact


def _knows_stock(fact: Fact) -> bool:
    return isinstance(fact, Offer) and fact.availability is not Availability.UNKNOWN

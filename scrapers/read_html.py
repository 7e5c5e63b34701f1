"""Small pure readers of pages that several adapters share: HTML, and the text of its cells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from gpuledger.core.document import Document
from gpuledger.core.money import decimal_from
from gpuledger.scrapers.read_json import within

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag

_LEADING_NUMBER = re.compile(r"\s*([0-9][0-9,]*(?:\.[0-9]+)?)")


MOST_HTML_BYTES = 16 * 2**20
"""A parsed page takes tens of times its size in memory; the largest price page read here is under 4 MiB."""

MOST_HTML_TAGS = 150_000
"""Opening and closing ones. A page of 4 MiB has under 50,000; each takes a kilobyte and some microseconds."""

MOST_HTML_DEPTH = 500
"""Looking for the parent of each cell takes time with the depth; price pages are nested below 60 deep."""


def is_page(document: Document) -> bool:
    """Whether the document is markup; what a source answers otherwise is JSON."""
    return document.body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<"


def soup(document: Document) -> BeautifulSoup:
    """The document as parsed HTML; scripts are data here and never run.

    Raises:
        ParseError: too large or deep, not UTF-8, no HTML, or cut off: a price may have lost digits there.
    """
    if len(document.body) > MOST_HTML_BYTES or document.body.count(b"<") > MOST_HTML_TAGS:
        raise document.error(f"an HTML page of {len(document.body) >> 20} MiB or too many tags")
    text = document.text()
    if "</html" not in text[-2000:].lower():
        raise document.error(f"no whole HTML page; {document.opening}")
    from bs4 import BeautifulSoup  # half of what loading all adapters takes

    tree = BeautifulSoup(text, "lxml")
    if tree.find() is None:
        raise document.error(f"no HTML; {document.opening}")
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


def leading_number(text: str) -> Decimal | None:
    """The number that a cell begins with: `2,048 GB` gives 2048; `None` when it begins with none."""
    match = _LEADING_NUMBER.match(text)
    return decimal_from(match.group(1)) if match else None


def size_in(text: str, most: int) -> Decimal | None:
    """The size that a cell begins with, above zero and at most `most`: `2,048 GB` gives 2048; `None` where
    there is none that can be read without guessing."""
    try:
        return within(leading_number(text), most)
    except ValueError:
        return None


def whole_in(text: str, most: int) -> Decimal | None:
    """The whole number that a cell is, above zero and at most `most`; `None` for `8-40`, `1,152` and words."""
    return within(Decimal(text), most) if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) else None


_EXACT_USD = re.compile(r"\$([0-9]{1,6}(?:\.[0-9]{1,6})?)", re.ASCII)


def exact_usd(text: str) -> Decimal | None:
    """The amount of a cell that holds nothing but `$4.50`; `None` for `from $4.50`, `$1,234` and words.

    Commas are refused: no hourly price needs one, and `$4,500` may be a decimal comma.
    """
    match = _EXACT_USD.fullmatch(text.strip())
    return Decimal(match.group(1)) if match and Decimal(match.group(1)) > 0 else None


def usd_in(cell: str, pattern: re.Pattern[str]) -> Decimal | None:
    """The exact amount in the group `amount` of a pattern that the whole cell matches; `None` otherwise."""
    match = pattern.fullmatch(cell)
    return exact_usd(match["amount"]) if match else None


def by_column(header: Sequence[str], cells: Sequence[str]) -> dict[str, str] | None:
    """A table's row by its titles; `None` where cells and titles do not pair up one to one, or a title is empty:
    without it nobody knows which price the column has."""
    if len(cells) != len(header) or len(set(header)) != len(header) or "" in header:
        return None
    return dict(zip(header, cells, strict=True))

"""Small pure readers that several adapters share: HTML, amounts, sizes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from bs4 import BeautifulSoup, Tag

from core.document import Document
from core.money import decimal_from

_AMOUNT = re.compile(r"^\s*(?:US)?\$?\s*([0-9][0-9,]*(?:\.[0-9]+)?)\s*(?:/.*)?$", re.DOTALL)
_LEADING_NUMBER = re.compile(r"\s*([0-9][0-9,]*(?:\.[0-9]+)?)")


def soup(document: Document) -> BeautifulSoup:
    """The document as parsed HTML; scripts are data here and never run.

    Raises:
        ParseError: the body is not UTF-8, or holds no element at all.
    """
    tree = BeautifulSoup(document.text(), "lxml")
    if tree.find() is None:
        raise document.error(f"no HTML; the body begins {document.body[:60]!r}")
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

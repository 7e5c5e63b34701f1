"""The SQL that lists and dates prices, one operator changed at a time: a test of the lists has to notice each.

Every comparison, junction, join, sum, minimum and order of these files is turned into another one; the tests of the
lists (tests/store) are then called, over a ledger in memory that was made with the changed text, until one fails.
"""

import inspect
import itertools
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pytest

from gpuledger.core.store import sql
from gpuledger.core.store.migrate import migrate
from tests.store import test_offer_lists as lists
from tests.store import test_validity_of_streams as streams

pytestmark = pytest.mark.faults

FILES = (
    *("views/12_price_state", "views/15_offer_wanted", "views/17_change_list_end", "views/20_price_history"),
    *("views/30_offers_as_of", "queries/offers", "queries/offers_without_place", "queries/offer_facets"),
    *("queries/price_intervals", "queries/price_moves", "queries/price_series", "queries/on_sale"),
    *("queries/on_sale_then", "derive/dated_price"),
)
SWAPS: tuple[tuple[str, str], ...] = (
    (r" >= ", " > "),
    (r" > ", " >= "),
    (r" <= ", " < "),
    (r" < ", " <= "),
    (r" = ", " <> "),
    (r" <> ", " = "),
    (r"\band\b", "or"),
    (r"\bor\b", "and"),
    (r"\bis null\b", "is not null"),
    (r"\bis not null\b", "is null"),
    (r"\bis distinct from\b", "is not distinct from"),
    (r"\bis not distinct from\b", "is distinct from"),
    (r"\bnot (?=in\b|exists\b|is_|\(|\$)", ""),
    (r"\bmin\(", "max("),
    (r"\bmax\(", "min("),
    (r"\barg_min\(", "arg_max("),
    (r"\barg_max\(", "arg_min("),
    (r"\bgreatest\(", "least("),
    (r"\bleast\(", "greatest("),
    (r"\blag\(", "lead("),
    (r"\blead\(", "lag("),
    (r" \+ ", " - "),
    (r" - ", " + "),
    (r" \* ", " / "),
    (r" / ", " * "),
    (r"\bleft join\b", "inner join"),
    (r"\binner join\b", "left join"),
    (r"\banti join\b", "semi join"),
    (r" desc\b", ""),
    (r"\bfalse\b", "true"),
    (r"\btrue\b", "false"),
    (r"\bunion all\b", "except"),
)
_ASIDE = re.compile(r"--[^\n]*|'(?:[^']|'')*'|comment on [^;]*;", re.S)

EQUIVALENT: dict[str, str] = {}
"""Changes that no answer can show, each with the reason."""


def mutations(name: str) -> Iterator[tuple[str, str]]:
    """Each text with one operator changed, with its place: file, line, operator and what it became."""
    text = sql.text(name)
    aside = [match.span() for match in _ASIDE.finditer(text)]
    for pattern, put in SWAPS:
        for match in re.finditer(pattern, text):
            if any(first <= match.start() < end for first, end in aside):
                continue
            line = text.count("\n", 0, match.start()) + 1
            column = match.start() - text.rfind("\n", 0, match.start())
            words = match[0].strip() or match[0]
            yield (
                f"{name}:{line}:{column} {words} -> {put.strip()}",
                text[: match.start()] + put + text[match.end() :],
            )


def cases(function: Callable[..., Any]) -> Iterator[dict[str, Any]]:
    """What a parametrised test is called with."""
    axes: list[list[dict[str, Any]]] = []
    for mark in getattr(function, "pytestmark", []):
        if mark.name == "parametrize":
            names, values = mark.args[:2]
            keys = [one.strip() for one in names.split(",")] if isinstance(names, str) else list(names)
            axes.append([dict(zip(keys, one if len(keys) > 1 else (one,), strict=True)) for one in values])
    for chosen in itertools.product(*axes):
        yield {key: value for one in chosen for key, value in one.items()}


def tests_of(module: Any, fixture: str) -> list[tuple[Callable[..., Any], dict[str, Any]]]:
    """Calls of a module's tests that need that fixture alone, the plain ones first."""
    return [
        (function, case)
        for name, function in vars(module).items()
        if name.startswith("test_") and inspect.isfunction(function)
        if next(iter(inspect.signature(function).parameters), None) == fixture
        for case in cases(function)
    ]


LISTS, STREAMS = tests_of(lists, "market"), tests_of(streams, "streams")


@pytest.fixture(scope="module")
def shelf(books_in, tmp_path_factory):
    return books_in(tmp_path_factory.mktemp("mutants"))


def fails(shelf: Any, an_offer: Any) -> str | None:
    """The first test that the SQL as it is now does not pass."""
    try:
        with duckdb.connect() as connection:
            sql.prepare(connection)
            migrate(connection, sources=shelf.sources, aliases=shelf.aliases)
            for function, case in STREAMS:
                try:
                    function(streams.Streams(connection, shelf, an_offer), **case)
                except Exception:
                    return function.__name__
        with duckdb.connect() as connection:
            sql.prepare(connection)
            migrate(connection, sources=shelf.sources, aliases=lists.ALIASES)
            market = lists.Market(connection, shelf, an_offer)
            for function, case in LISTS:
                try:
                    function(market, **case)
                except Exception:
                    return function.__name__
    except Exception as error:
        return f"making the ledger: {type(error).__name__}"
    return None


def test_the_tests_pass_on_the_sql_as_it_is(shelf, an_offer):
    assert fails(shelf, an_offer) is None
    assert len(LISTS) > 60 and len(STREAMS) > 20


@pytest.mark.parametrize("name", FILES)
def test_each_changed_operator_is_noticed(shelf, an_offer, monkeypatch, record_property, name):
    plain = sql.text
    noticed, unseen = 0, []
    for place, text in mutations(name):
        if only := os.environ.get("GPULEDGER_MUTATION"):
            if only not in place:
                continue
        monkeypatch.setattr(sql, "text", lambda asked, text=text: text if asked == name else plain(asked))
        if fails(shelf, an_offer):
            noticed += 1
        elif place not in EQUIVALENT:
            unseen.append(place)
    record_property("noticed", noticed)
    print(f"{name}: {noticed} noticed, {len(unseen)} unseen")
    assert unseen == []

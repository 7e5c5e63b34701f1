# ruff: noqa: T201 - what is unseen is shown as it is found
"""The SQL that lists and dates prices, one operator changed at a time: a test of the lists has to notice each.

Every comparison, junction, join, sum, minimum and order of these files is turned into another one; the tests of the
lists (tests/store) are then called, over a ledger in memory that was made with the changed text, until one fails.
"""

import contextlib
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
from tests.store import list_market
from tests.store import test_offer_lists as lists
from tests.store import test_past_lists as past_lists
from tests.store import test_validity_of_streams as streams

pytestmark = pytest.mark.faults

FILES = (
    *("queries/on_sale", "queries/on_sale_then", "queries/offers_without_place"),
    *("queries/price_intervals", "queries/price_moves"),
    *os.environ.get("GPULEDGER_MUTATED_FILES", "").split(),
)
"""Of which every change is noticed; `GPULEDGER_MUTATED_FILES="views/20_price_history queries/offers"` tries others."""
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


def calls_of(module: Any, fixture: str) -> list[tuple[Callable[..., Any], dict[str, Any]]]:
    """Calls of a module's tests that need that fixture alone, the plain ones first."""
    return [
        (function, case)
        for name, function in vars(module).items()
        if name.startswith("test_") and inspect.isfunction(function)
        if next(iter(inspect.signature(function).parameters), None) == fixture
        for case in cases(function)
    ]


QUERIED = [*calls_of(lists, "market"), *calls_of(past_lists, "market")]
RECORDED = calls_of(streams, "streams")


class Judge:
    """Two ledgers in memory, on which the tests of the lists are called; what noticed last is asked first."""

    def __init__(self, books_in: Any, folder: Any, an_offer: Any) -> None:
        self.shelf, self.an_offer = books_in(folder / "streams"), an_offer
        self.connections = [duckdb.connect(), duckdb.connect()]
        aliases = (self.shelf.aliases, list_market.ALIASES)
        for connection, known in zip(self.connections, aliases, strict=True):
            sql.prepare(connection)
            migrate(connection, sources=self.shelf.sources, aliases=known)
        self.market = list_market.Market(self.connections[1], books_in(folder / "lists"), an_offer)
        self.tests = [*((True, *one) for one in QUERIED), *((False, *one) for one in RECORDED)]

    def install(self, name: str) -> None:
        """The text of a file as `sql.text` gives it now, where it makes something."""
        if name.startswith("views/"):
            for connection in self.connections:
                connection.execute(sql.text(name))
            self.market.publish()

    def first_failure(self, name: str) -> str | None:
        """The first test that does not pass with that file as it is now."""
        try:
            self.install(name)
        except duckdb.Error as error:
            return f"{type(error).__name__}"
        for place, (is_queried, function, case) in enumerate(self.tests):
            if not is_queried and name.startswith("queries/"):
                continue
            try:
                if is_queried:
                    function(self.market, **case)
                else:
                    function(streams.Streams(self.connections[0], self.shelf, self.an_offer), **case)
            except Exception:
                self.tests.insert(0, self.tests.pop(place))
                return function.__name__
        return None


@pytest.fixture(scope="module")
def judge(books_in, tmp_path_factory, an_offer):
    return Judge(books_in, tmp_path_factory.mktemp("mutants"), an_offer)


def test_the_tests_pass_on_the_sql_as_it_is(judge):
    assert judge.first_failure("derive/dated_price") is None
    assert len(QUERIED) > 60 and len(RECORDED) >= 20


@pytest.mark.parametrize("name", FILES)
def test_each_changed_operator_is_noticed(judge, monkeypatch, record_property, name):
    plain = sql.text
    noticed, unseen = 0, []
    for place, text in mutations(name):
        if os.environ.get("GPULEDGER_MUTATION", "") not in place:
            continue
        with monkeypatch.context() as patch:
            patch.setattr(sql, "text", lambda asked, text=text: text if asked == name else plain(asked))
            failed = judge.first_failure(name)
        with contextlib.suppress(duckdb.Error):
            judge.install(name)
        if failed:
            noticed += 1
        else:
            unseen.append(place)
            print("unseen", place, flush=True)
    record_property("noticed", noticed)
    print(f"{name}: {noticed} noticed, {len(unseen)} unseen", flush=True)
    assert unseen == []

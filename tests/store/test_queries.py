"""Every text of `sql/`: it says its grain and its parameters, and it binds on an empty ledger."""

import re

import duckdb
import pytest

from gpuledger.core.store import sql

KINDS = sorted(path.name for path in sql.FOLDER.iterdir() if any(path.glob("*.sql")))
FILES = [name for kind in KINDS for name in sql.files(kind)]
QUERIES = sql.files("queries")
# `name type` in the head of a query
_PARAMETER = re.compile(
    r"\b([a-z_]+) (?:varchar|integer|timestamptz|double|decimal|boolean|bigint)\b(?:\[\])?"
)


def head(name: str) -> list[str]:
    """The comment that a file begins with."""
    lines: list[str] = []
    for line in sql.text(name).splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").strip())
    return lines


def stated(name: str) -> str:
    """What the head says about parameters; `min_ and max_ of a, b;` stands for four of them."""
    text = " ".join(head(name)).partition("parameters:")[2]
    pairs = " ".join(re.findall(r"min_ and max_ of ([^;]*);", text))
    return text + "".join(f" min_{one} max_{one}" for one in re.findall(r"\b[a-z_]+\b", pairs))


def statement(connection: duckdb.DuckDBPyConnection, name: str) -> duckdb.Statement:
    (only,) = connection.extract_statements(sql.text(name))
    return only


def test_the_folders_are_those_of_the_design():
    assert {"migrations", "seeds", "views", "queries", "checks"} <= set(KINDS)
    assert len(QUERIES) > 10


@pytest.mark.parametrize("name", FILES)
def test_a_file_begins_with_its_grain(name: str):
    assert head(name), f"sql/{name}.sql has no comment at its head"
    assert head(name)[0].startswith("grain: ")


@pytest.mark.parametrize("name", QUERIES)
def test_the_head_names_every_parameter_and_no_other(migrated: duckdb.DuckDBPyConnection, name: str):
    parameters = set(statement(migrated, name).named_parameters)
    assert {one for one in parameters if not re.search(rf"\b{one}\b", stated(name))} == set()
    assert set(_PARAMETER.findall(stated(name))) <= parameters


@pytest.mark.parametrize("name", [*QUERIES, *sql.files("checks")])
def test_it_binds_and_runs_on_an_empty_ledger(migrated: duckdb.DuckDBPyConnection, name: str):
    for needed in NEEDS.get(name, ()):
        migrated.execute(needed)
    parameters = dict.fromkeys(statement(migrated, name).named_parameters) | GIVEN.get(name, {})
    assert isinstance(migrated.execute(sql.text(name), parameters).fetchall(), list)


# the variables that gpuledger.core.store.quote_offers sets before quote_offer.sql, which the others of quotes read
_FILTERS = ("gpu_ids", "providers", "regions", "tiers", "purchase_options")
_QUOTE = (
    *(f"set variable quote_{name} = ''" for name in _FILTERS),
    "set variable question_at = '2026-10-07'::timestamptz",
    "set variable quote_allow_stale = false",
)
_ON_SALE = (*_QUOTE, sql.text("queries/on_sale"))
_QUOTE_VIEW = (*_ON_SALE, sql.text("queries/quote_offer"))
_PAST = (
    "set variable as_of = null::timestamptz",
    f"create temporary table offer_past as {sql.text('queries/offer_past')}",
    "set variable past_table = 'temp.main.offer_past'",
)
NEEDS = {
    "queries/offers": (sql.text("queries/on_sale"),),
    "queries/offers_without_place": (sql.text("queries/on_sale"),),
    "queries/offer_facets": (sql.text("queries/on_sale"),),
    "queries/overview": (sql.text("queries/on_sale"),),
    "queries/on_sale_once": ("set variable as_of = null::timestamptz",),
    "queries/offer_past": ("set variable as_of = null::timestamptz",),
    "queries/offer_place": _PAST,
    "queries/on_sale_then": _PAST,
    "queries/quote_offer": _ON_SALE,
    "queries/quote_shape": _QUOTE_VIEW,
    "queries/quote_next_change": _ON_SALE,
    "queries/quote_left_out": _QUOTE_VIEW,
    "queries/quote_floor": _QUOTE_VIEW,
    "queries/quote_first_of_providers": (*_QUOTE_VIEW, sql.text("queries/quote_floor")),
    "queries/quote_row": _QUOTE_VIEW,
    "queries/quote_candidate": _ON_SALE,
    "queries/quote_price_id": _ON_SALE,
}
GIVEN = {
    "queries/price_series": {"every": "1 days", "stat": "min", "until": "2026-10-07"},
    "queries/step_count": {"every": "1 days", "until": "2026-10-07"},
    "queries/quote_candidate": {"rows": "0,1"},
    "queries/quote_price_id": {"rows": "0,1"},
    "queries/quote_first_of_providers": {"bounds": "1,0,1,1,1,", "each": 1},
}


@pytest.mark.parametrize("name", ["queries/price_intervals", "queries/history_export"])
def test_equal_ledgers_give_equal_order(name: str):
    """The last key of the order is unique within the ones before it."""
    order = re.findall(r"order by ([^()]*?)(?:\nlimit|;)", sql.text(name), re.DOTALL)[-1]
    assert "offer_id" in order


def test_no_file_is_read_from_outside():
    """Nothing but seeds comes from disk, and those through gpuledger.core.store.migrate."""
    outside = re.compile(
        r"\b(read_csv|read_parquet|read_json|read_text|copy|attach|install|load)\b", re.IGNORECASE
    )
    code = {name: re.sub(r"--[^\n]*|'[^']*'", "", sql.text(name)) for name in FILES}
    assert {name for name, text in code.items() if outside.search(text)} == set()

"""The dollars of SQL are those of Python, for any offer."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gpuledger.core.count import MICRO
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Offer
from gpuledger.core.published import usd_per_hour
from gpuledger.core.store import sql
from tests.depth import examples


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as made:
        made.execute(sql.text("views/10_usd_per_hour_of"))
        yield made


def _decimal(most: int, places: int) -> st.SearchStrategy[Decimal]:
    return st.decimals(min_value=Decimal(1).scaleb(-places), max_value=most, places=places)


def _offer(**terms: Any) -> Offer | None:
    """`None` where an hour would cost more than the ledger holds."""
    try:
        return Offer(**terms)
    except ValidationError:
        return None


OFFERS = st.builds(
    _offer,
    provider=st.just("aws"),
    sku=st.just("a"),
    gpu_label=st.just("H100"),
    gpu_count=_decimal(72, 4),
    purchase_option=st.just("reserved"),
    term_months=st.none() | _decimal(60, 6),
    upfront_amount=st.none() | _decimal(1_000_000, 6),
    price=st.builds(Price, amount=_decimal(1_000_000, 6), unit=st.sampled_from(Unit)),
).filter(lambda offer: offer is not None)


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.tuples(OFFERS, _decimal(3, 9)), min_size=1, max_size=40))
def test_sql_and_python_agree_to_the_millionth(
    connection: duckdb.DuckDBPyConnection, cases: list[tuple[Offer, Decimal]]
):
    rows: list[tuple[Any, ...]] = [
        (
            offer.price.amount,
            offer.upfront_amount,
            offer.price.unit.value,
            offer.gpu_count,
            offer.term_months,
            rate,
        )
        for offer, rate in cases
    ]
    connection.execute(
        "create or replace temp table published (position integer, amount decimal(18, 6),"
        " upfront_amount decimal(18, 6), unit varchar, gpu_count decimal(12, 4), term_months decimal(9, 6),"
        " usd_per_unit decimal(18, 9))"
    )
    connection.executemany(
        "insert into published values (?, ?, ?, ?, ?, ?, ?)",
        [(number, *row) for number, row in enumerate(rows)],
    )
    found = connection.execute(
        "select usd_per_hour_of(amount, upfront_amount, unit, gpu_count, term_months, usd_per_unit)"
        " from published order by position"
    ).fetchall()
    for (usd,), (offer, rate) in zip(found, cases, strict=True):
        assert usd == pytest.approx(usd_per_hour(offer, rate), rel=Decimal("1e-12"), abs=MICRO), offer


EXACT = {
    "an hour": ("98.32", None, "hour", "8", None, "1", "98.320000"),
    "a GPU-hour": ("2.69", None, "gpu_hour", "8", None, "1", "21.520000"),
    "a month": ("730", None, "month", "8", None, "1", "1.000000"),
    "a term": ("87600", None, "term", "8", "12", "1", "10.000000"),
    "partly upfront": ("5", "43800", "hour", "8", "12", "1", "10.000000"),
    "in euros": ("2", None, "hour", "8", None, "1.1", "2.200000"),
    "without a rate": ("2", None, "hour", "8", None, None, None),
    "withdrawn": (None, None, None, "8", None, "1", None),
}


@pytest.mark.parametrize("what", EXACT)
def test_a_known_case_comes_out_to_the_digit(connection: duckdb.DuckDBPyConnection, what: str):
    amount, upfront, unit, gpu_count, term, rate, expected = EXACT[what]
    (row,) = connection.execute(
        "select usd_per_hour_of($amount::decimal(18, 6), $upfront::decimal(18, 6), $unit::varchar,"
        " $gpu_count::decimal(12, 4), $term::decimal(9, 6), $rate::decimal(18, 9))",
        {
            "amount": amount,
            "upfront": upfront,
            "unit": unit,
            "gpu_count": gpu_count,
            "term": term,
            "rate": rate,
        },
    ).fetchall()
    assert row[0] == (None if expected is None else Decimal(expected))

# ruff: noqa: E501 - tables of values
"""Rows validated as columns: the same rows, and the same errors, as by the model one by one."""

from datetime import UTC, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gpuledger.core.money import LEAST_PRICE, Price
from gpuledger.core.offer import LEAST_SIZE, Offer, Withdrawn
from gpuledger.core.store.offer_columns import validated
from gpuledger.core.store.staging import fact_columns
from tests.depth import examples
from tests.store.conftest import T0, an_offer

TEXTS = st.one_of(
    st.none(),
    st.sampled_from(
        ["", " ", "aws", " aws ", "AWS", "a\n", "H100\u00a0SXM", "x" * 1000, "x" * 1001, "\u200bH100", "straße", "a\u0085", "\x1f", "\x00"]
    ),
    st.text(max_size=4),
)  # fmt: skip
NUMBERS = ("0", "-1", "1", "8", "4096", "4096.0001", "0.0001", "0.00005", "0.00015", "0.0000005", "0.0000015", "1e-9", "2.5", "1e9",
           "99999999", "99999999.4", "99999999999.9999995", "1e11", "9999999999.99995", "999.9999995", "2147483647", "2147483648")  # fmt: skip
AS_TEXT = st.one_of(
    st.none(), st.sampled_from((*NUMBERS, "", " 8 ", "1_000", "1,5", "0x10", "NaN", "Infinity", "1e400", "٣"))
)
AS_DECIMAL = st.one_of(
    st.none(),
    st.sampled_from([Decimal(number).quantize(Decimal("1e-9")) for number in NUMBERS]),
    st.decimals(min_value=-1, max_value=5000, places=9),
)
WHOLE = st.one_of(
    st.none(), st.sampled_from([-1, 0, 1, 8, 4096, 999_999, 10**6, 2**31 - 1, 2**31, 2**63 - 1])
)
MOMENTS = st.one_of(
    st.none(),
    st.datetimes(timezones=st.just(UTC)),
)
FLOATS = st.one_of(st.none(), st.floats(), st.sampled_from([0.1, 8.0, 1e-7]))

STRINGS = ("provider", "via", "sku", "region", "zone", "tier", "gpu_label", "payment", "operating_system", "instance_type", "network")  # fmt: skip
DECIMALS = ("gpu_count", "term_months", "gpu_memory_gib", "vcpus", "memory_gib", "local_storage_gb", "amount", "upfront_amount")  # fmt: skip
INTEGERS = ("min_gpus", "max_gpus", "billing_increment_seconds", "minimum_billing_seconds")
OPTIONS = st.sampled_from([None, "spot", "on_demand", "SPOT", "reserved"])
UNITS = st.sampled_from([None, "hour", "gpu_hour", "week"])
STOCK = st.sampled_from([None, "available", "sold_out", "none"])
CURRENCIES = st.sampled_from([None, "USD", "EUR", "usd", "US", " USD", "USD\n"])


def columns(rows: int) -> st.SearchStrategy[dict[str, pa.Array]]:
    """Columns of good and hostile values, of the types that files have them in."""

    def of(values: st.SearchStrategy[object], kind: pa.DataType) -> st.SearchStrategy[pa.Array]:
        return st.lists(values, min_size=rows, max_size=rows).map(lambda made: pa.array(made, kind))

    def good(name: str) -> object:
        return getattr(an_offer("sku").price if name in Price.model_fields else an_offer("sku"), name, None)

    def mostly_good(name: str, values: st.SearchStrategy[object], kind: pa.DataType):
        usual = [good(name)] * rows
        return st.one_of(of(values, kind), st.just(usual).map(lambda made: pa.array(made, kind)))

    decimal = st.one_of(st.just(pa.decimal128(38, 9)), st.just(pa.string()), st.just(pa.int64()), st.just(pa.float64()))  # fmt: skip
    by_kind = {pa.decimal128(38, 9): AS_DECIMAL, pa.string(): AS_TEXT, pa.int64(): WHOLE, pa.float64(): FLOATS}  # fmt: skip
    parts: dict[str, st.SearchStrategy[pa.Array]] = {}
    for name in STRINGS:
        parts[name] = mostly_good(name, TEXTS, pa.string())
    for name in DECIMALS:
        parts[name] = st.one_of(
            decimal.flatmap(lambda kind: of(by_kind[kind], kind)),
            of(st.sampled_from([Decimal(1), None, Decimal("2.5")]), pa.decimal128(18, 6)),
            st.just(pa.array([Decimal(1)] * rows, pa.decimal128(18, 4))),
        )
    for name in INTEGERS:
        parts[name] = st.one_of(of(WHOLE, pa.int64()), of(AS_TEXT, pa.string()), of(FLOATS, pa.float64()))
    parts["purchase_option"] = mostly_good("purchase_option", OPTIONS, pa.string())
    parts["unit"] = mostly_good("unit", UNITS, pa.string())
    parts["currency"] = mostly_good("currency", CURRENCIES, pa.string())
    parts["availability"] = mostly_good("availability", STOCK, pa.string())
    for name in ("observed_at", "effective_at"):
        parts[name] = st.one_of(
            of(MOMENTS, pa.timestamp("us", tz="UTC")),
            of(MOMENTS, pa.timestamp("us")),
            of(st.sampled_from([None, "2026-10-01T00:00:00Z", "2026-10-01", "later"]), pa.string()),
            st.just(pa.array([T0] * rows, pa.timestamp("ms", tz="America/New_York"))),
        )
    return st.fixed_dictionaries(parts)


def by_the_model(row: dict[str, object]) -> Offer | Withdrawn:
    """What the model makes of a row: a null is a field that is not stated."""
    said = {name: value for name, value in row.items() if value is not None}
    if "amount" not in said:
        terms = {name: said[name] for name in said if name in Withdrawn.model_fields}
        return Withdrawn(**terms)
    price = {name: said.pop(name) for name in Price.model_fields if name in said}
    return Offer(**said, price=price)


@settings(
    max_examples=examples(60), phases=[Phase.explicit, Phase.reuse, Phase.generate]
)  # shrinking some thirty columns takes minutes
@given(columns(rows=3))
def test_columns_are_judged_as_the_model_judges_their_rows(given_columns):
    table = pa.table(given_columns)
    facts: list[Offer | Withdrawn] = []
    errors: list[tuple[int, list[object]]] = []
    for position, row in enumerate(table.to_pylist()):
        try:
            facts.append(by_the_model(row))
        except ValidationError as error:
            errors.append((position, typed(error)))
    rows, refused = validated(table)
    assert rows.to_pylist() == fact_columns(facts).to_pylist()
    assert [(row.position, typed(row.error)) for row in refused] == errors


def typed(error: ValidationError) -> list[object]:
    return [(one["type"], one["loc"], one["msg"]) for one in error.errors()]


def test_a_good_table_needs_no_model():
    """Random rows are mostly refused, so that the fast way is held by rows that all pass."""
    facts = [
        an_offer(f"sku {number}", Decimal(number) / 7, gpu_count=Decimal(number % 8 + 1), via=None if number % 3 else "Shadeform", vcpus=number + 1,
                 effective_at=T0, observed_at=T0 + timedelta(seconds=number), region=f"Región {number % 5}", max_gpus=number + 1)
        for number in range(1, 200)
    ]  # fmt: skip
    table = fact_columns(facts)
    rows, refused = validated(table.drop_columns(["offer_id"]))
    assert rows.equals(table)
    assert refused == []


def test_each_row_says_what_is_wrong_with_it():
    facts = fact_columns([an_offer(sku) for sku in ("a", "b", "c")])
    counts = pa.array([1, 0, 5000], pa.int64())
    rows, refused = validated(facts.set_column(facts.column_names.index("gpu_count"), "gpu_count", counts))
    assert rows["sku"].to_pylist() == ["a"]
    assert [(row.position, row.row["sku"], row.reason) for row in refused] == [
        (1, "b", "gpu_count: Input should be greater than or equal to 0.0001"),
        (2, "c", "gpu_count: Input should be less than or equal to 4096"),
    ]


def test_text_that_is_no_utf8_refuses_the_table():
    broken = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")]
    )
    with pytest.raises(pa.ArrowInvalid, match="UTF8"):
        validated(pa.table({"sku": broken, "amount": pa.array([Decimal(1)])}))


LARGEST = {
    "gpu_count": Decimal(4096), "term_months": Decimal(999), "vcpus": Decimal(99_999_999), "gpu_memory_gib": Decimal(99_999_999),
    "memory_gib": Decimal(9_999_999_999), "local_storage_gb": Decimal(9_999_999_999), "upfront_amount": Decimal("99999999999.9"),
    "max_gpus": 999_999, "min_gpus": 999_999, "billing_increment_seconds": 2**31 - 1, "minimum_billing_seconds": 2**31 - 1,
}  # fmt: skip
SMALLEST = {
    "gpu_count": LEAST_SIZE, "term_months": LEAST_PRICE, "vcpus": LEAST_SIZE, "gpu_memory_gib": LEAST_SIZE, "memory_gib": LEAST_SIZE,
    "local_storage_gb": LEAST_SIZE, "upfront_amount": LEAST_PRICE, "max_gpus": 1, "min_gpus": 1, "billing_increment_seconds": 1,
}  # fmt: skip


def test_what_the_model_allows_the_ledger_holds(books_in, tmp_path):
    """A figure that a column or a query cannot hold would end the refresh of every source."""
    books = books_in(tmp_path)
    for is_falling in (False, True):
        offers = allowed(is_falling)
        books.run(*offers)
        books.publish()
        seen = {sku for (sku,) in books.read("select sku from offer_latest")}
        assert {offer.sku for offer in offers} <= seen
    assert len(seen) >= 40


def allowed(is_falling: bool) -> list[Offer]:
    """The dearest and the cheapest that the model allows of extreme terms."""
    offers: list[Offer] = []
    for name, terms in (("largest", LARGEST), ("smallest", SMALLEST)):
        for unit in ("hour", "gpu_hour", "month", "term"):
            for option in ("on_demand", "spot"):
                for upfront in (None, "0.000001", "9999999999"):
                    amounts = ["0.000001", "9999", "99999", "24000", "9999999", "99999999", "99999999999.9"][
                        :: -1 if is_falling else 1
                    ]
                    for amount in amounts:
                        more = dict(terms, unit=unit, purchase_option=option, upfront_amount=upfront)
                        try:
                            offers.append(an_offer(f"{name} {unit} {option} {upfront}", amount, **more))
                        except ValidationError:
                            continue
                        break
    return offers

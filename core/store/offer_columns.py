# pyarrow ships no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportMissingTypeArgument=false, reportMissingTypeStubs=false
# pyright: reportAttributeAccessIssue=false
"""Offers validated as columns: some hundred times as fast as one object each.

The models `Offer` and `Withdrawn` are the rule, and this module states none of its own. A field's validator judges each
value of its column once, numbers and times of Arrow's types are held to the field's bounds as a whole, and a row with
a value that did not pass goes through the model, which says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any

import annotated_types as bounds
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, TypeAdapter, ValidationError

from gpuledger.core.money import Price
from gpuledger.core.offer import (
    TERMS,
    USUAL_AMOUNT,
    USUAL_SHARE,
    USUAL_UPFRONT,
    Offer,
    OfferKey,
    Withdrawn,
    identity_of,
    term_text,
)
from gpuledger.core.store.staging import PRICED_COLUMNS, TERM_COLUMNS, fact_columns

_TIME = pa.timestamp("us", tz="UTC")
_FIRST, _LAST = (pa.scalar(datetime(year, 1, 2, tzinfo=UTC), _TIME) for year in (1, 9999))
_DIGITS = {pa.decimal128(18, 4): 4, pa.decimal128(18, 6): 6}
_PRICE = tuple(Price.model_fields)
_AWARE = Offer.model_fields["observed_at"].annotation


@dataclass(frozen=True)
class RefusedRow:
    """A row that is no offer and no withdrawal."""

    position: int
    row: Mapping[str, Any]
    """What it states, without what it leaves empty."""
    error: ValidationError

    @property
    def reason(self) -> str:
        """The first thing that is wrong with it, without the value: rows are counted by it."""
        first = self.error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


@dataclass(frozen=True)
class _Field:
    """A column and the field of the model that it fills."""

    column: str
    kind: pa.DataType
    fit: Callable[[Any], Any] | None
    """What makes a value fit the column."""
    model: type[BaseModel]
    default: Any
    is_term: bool

    @property
    def info(self) -> Any:
        return self.model.model_fields[self.column]


def validated(rows: pa.Table) -> tuple[pa.Table, list[RefusedRow]]:
    """The rows that `Offer` accepts, or `Withdrawn` where no amount is stated, as `fact_columns` would make them of
    these; and the others. A null is a field that is not stated.

    Args:
        rows: columns named as those of `fact_columns`, of any type; others are left out.

    Raises:
        pyarrow.ArrowException: text that is no UTF-8.
    """
    rows = _fields_of(rows)
    count = rows.num_rows
    is_offer = pc.is_valid(rows["amount"])
    passes = np.ones(count, dtype=np.bool_)
    columns: dict[str, pa.Array] = {}
    for field in _fields():
        values, is_valid = _checked(rows[field.column].combine_chunks(), field)
        if not field.is_term:
            values = pc.if_else(is_offer, values, pa.scalar(None, field.kind))
            is_valid |= ~_flags(is_offer)
        columns[field.column] = values
        passes &= is_valid
    # a withdrawal states when
    passes &= _flags(pc.or_(is_offer, pc.is_valid(columns["observed_at"])))
    passes &= _usual(columns) | ~_flags(is_offer)
    no_type = pc.equal(pc.fill_null(columns["instance_type"], ""), "")
    columns["instance_type"] = pc.if_else(no_type, columns["sku"], columns["instance_type"])
    accepted = np.flatnonzero(passes)
    table = pa.table(columns).take(pa.array(accepted))
    table = table.append_column("offer_id", _ids(table)).select(_order())
    return _with_others(rows, table, accepted, np.flatnonzero(~passes))


def _usual(columns: Mapping[str, pa.Array]) -> np.ndarray[Any, Any]:
    """The rows whose price can be held for sure; the model judges the others."""

    def is_usual(name: str, compare: Any, limit: Decimal | int) -> pa.Array:
        return pc.fill_null(compare(columns[name], pa.scalar(Decimal(limit))), True)

    usual = is_usual("amount", pc.less, USUAL_AMOUNT)
    usual = pc.and_(usual, is_usual("upfront_amount", pc.less, USUAL_UPFRONT))
    usual = pc.and_(usual, is_usual("gpu_count", pc.greater_equal, USUAL_SHARE))
    return _flags(pc.and_(usual, is_usual("term_months", pc.greater_equal, USUAL_SHARE)))


def _with_others(
    rows: pa.Table, table: pa.Table, accepted: np.ndarray[Any, Any], others: np.ndarray[Any, Any]
) -> tuple[pa.Table, list[RefusedRow]]:
    """The rows that passed, with those of the others that the model takes in their places."""
    facts: list[Offer | Withdrawn] = []
    positions: list[int] = []
    refused: list[RefusedRow] = []
    for position, row in zip(others.tolist(), _stated(rows.take(pa.array(others))), strict=True):
        try:
            facts.append(_fact(row))
            positions.append(position)
        except ValidationError as error:
            refused.append(RefusedRow(position, row, error))
    if facts:
        table = pa.concat_tables([table, fact_columns(facts).select(_order())])
        table = table.take(pa.array(np.argsort(np.concatenate([accepted, positions]), kind="stable")))
    return table, refused


def _fact(row: Mapping[str, Any]) -> Offer | Withdrawn:
    """The fact that a row states.

    Raises:
        pydantic.ValidationError: it states none.
    """
    if "amount" not in row:
        terms = {name: row[name] for name in (*TERMS, "observed_at") if name in row}
        return Withdrawn(**terms)
    price = {name: row[name] for name in _PRICE if name in row}
    return Offer(**{name: value for name, value in row.items() if name not in _PRICE}, price=price)  # pyright: ignore[reportArgumentType]


@lru_cache(maxsize=1)
def _fields() -> tuple[_Field, ...]:
    fields: list[_Field] = []
    of_text = ("instance_type", pa.string(), None)
    for path, kind, fit in (*TERM_COLUMNS[1:], *PRICED_COLUMNS, of_text):
        name = path.removeprefix("price.")
        model = Price if name != path else Offer
        is_term = name in OfferKey.model_fields or name == "observed_at"
        default = model.model_fields[name].default
        fields.append(_Field(name, kind, fit, model, getattr(default, "value", default), is_term))
    return tuple(fields)


@lru_cache(maxsize=1)
def _order() -> tuple[str, ...]:
    return tuple(fact_columns(()).column_names)


def _fields_of(rows: pa.Table) -> pa.Table:
    """The columns that are fields, each of a form that Python can hold."""
    columns: dict[str, pa.ChunkedArray] = {}
    for field in _fields():
        name = field.column
        values = rows[name] if name in rows.column_names else pa.chunked_array([pa.nulls(rows.num_rows)])
        values.validate(full=True)
        if pa.types.is_timestamp(values.type):
            values = values.cast(pa.timestamp("us", tz=values.type.tz), safe=False)
        elif pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        columns[name] = values
    return pa.table(columns)


def _stated(rows: pa.Table) -> list[dict[str, Any]]:
    columns = {name: [_held(value) for value in rows[name]] for name in rows.column_names}
    return [
        {name: values[at] for name, values in columns.items() if values[at] is not None}
        for at in range(rows.num_rows)
    ]


def _held(value: pa.Scalar) -> Any:
    try:
        return value.as_py()
    except (ValueError, OverflowError):
        return str(value)


def _checked(values: pa.Array, field: _Field) -> tuple[pa.Array, np.ndarray[Any, Any]]:
    """The column as it is stored, and of which rows it is known to be right. What is not is anything."""
    if pa.types.is_null(values.type):
        values = values.cast(pa.string())
    is_stated = _flags(pc.is_valid(values))
    annotation = field.info.annotation
    if _is_of_numbers(values.type, annotation):
        checked, is_right = _within(values, field)
    elif pa.types.is_timestamp(values.type) and values.type.tz and annotation == _AWARE:
        is_right = _flags(pc.and_(pc.greater(values, _FIRST), pc.less(values, _LAST)))
        checked = values.cast(_TIME)
    else:
        checked, is_right = _by_value(values, field)
    if field.info.is_required():
        return checked, is_right & is_stated
    if field.default is not None:
        checked = pc.fill_null(checked, pa.scalar(field.default, field.kind))
    return checked, is_right | ~is_stated


def _is_of_numbers(kind: pa.DataType, annotation: Any) -> bool:
    is_whole = pa.types.is_integer(kind)
    if annotation in (int, int | None):
        return is_whole
    return annotation in (Decimal, Decimal | None) and (is_whole or pa.types.is_decimal128(kind))


_COMPARISONS: Mapping[type, tuple[str, Any]] = {
    bounds.Gt: ("gt", pc.greater),
    bounds.Ge: ("ge", pc.greater_equal),
    bounds.Lt: ("lt", pc.less),
    bounds.Le: ("le", pc.less_equal),
}


def _within(values: pa.Array, field: _Field) -> tuple[pa.Array, np.ndarray[Any, Any]]:
    """Numbers against the bounds that the field states."""
    is_right = pc.is_valid(values)
    for bound in field.info.metadata:
        if type(bound) in _COMPARISONS:
            name, compare = _COMPARISONS[type(bound)]
            limit = pa.scalar(Decimal(str(getattr(bound, name))))
            is_right = pc.and_(is_right, compare(values, limit))
    # what is out of bounds may not fit the column
    within = pc.if_else(is_right, values, pa.scalar(None, values.type))
    if pa.types.is_integer(values.type) and pa.types.is_decimal(field.kind):
        within = within.cast(pa.decimal128(20, 0))
    elif pa.types.is_decimal(values.type) and values.type.scale > _DIGITS[field.kind]:
        within = pc.round(within, ndigits=_DIGITS[field.kind], round_mode="half_to_even")
    return within.cast(field.kind), _flags(is_right)


def _by_value(values: pa.Array, field: _Field) -> tuple[pa.Array, np.ndarray[Any, Any]]:
    """Each value that occurs against the field's own validator."""
    try:
        encoded = values.dictionary_encode()
    except pa.ArrowNotImplementedError:
        return pa.nulls(len(values), field.kind), np.zeros(len(values), dtype=np.bool_)
    cleaned, is_right = _validated_values([_held(value) for value in encoded.dictionary], field)
    checked = pa.array(cleaned, field.kind).take(encoded.indices)
    flags = pa.array(is_right, pa.bool_()).take(encoded.indices)
    return checked, _flags(flags)


def _validated_values(values: Sequence[Any], field: _Field) -> tuple[list[Any], list[bool]]:
    one, many = _validators(field.model, field.column)
    fit = field.fit
    try:
        cleaned, is_right = many.validate_python(values), [True] * len(values)
    except ValidationError:
        cleaned, is_right = [], []
        for value in values:
            try:
                cleaned.append(one.validate_python(value))
                is_right.append(True)
            except ValidationError:
                cleaned.append(None)
                is_right.append(False)
    return [value if fit is None or value is None else fit(value) for value in cleaned], is_right


@lru_cache(maxsize=64)
def _validators(model: type[BaseModel], name: str) -> tuple[TypeAdapter[Any], TypeAdapter[list[Any]]]:
    info = model.model_fields[name]
    kind = info.annotation
    for constraint in info.metadata:
        kind = Annotated[kind, constraint]
    is_model = isinstance(kind, type) and issubclass(kind, BaseModel)
    assert not is_model, name
    config = {key: value for key, value in model.model_config.items() if key.startswith("str_")}
    return TypeAdapter(kind, config=config), TypeAdapter(list[kind], config=config)  # pyright: ignore[reportArgumentType, reportInvalidTypeForm]


def _ids(table: pa.Table) -> pa.Array:
    """The identity of each row's terms, each term of the table written once."""
    texts: list[pa.Array] = []
    for place, name in enumerate(TERMS):
        encoded = table[name].combine_chunks().dictionary_encode()
        written = pa.array([term_text(place, term) for term in encoded.dictionary.to_pylist()], pa.string())
        texts.append(pc.fill_null(written.take(encoded.indices), term_text(place, None)))
    joined = pc.binary_join_element_wise(*texts, "")
    return pa.array([identity_of(text) for text in joined.to_pylist()], pa.string())


def _flags(values: pa.Array | pa.ChunkedArray) -> np.ndarray[Any, Any]:
    """As numpy has them; unknown is false."""
    filled = pc.fill_null(values, False)
    return filled.to_numpy(zero_copy_only=False) if isinstance(filled, pa.Array) else filled.to_numpy()

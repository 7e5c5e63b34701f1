# pyarrow ships no types of its own.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportUnknownMemberType=false, reportMissingTypeStubs=false, reportAttributeAccessIssue=false
"""Every figure that speaks for or against the claims of a run, as columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gpuledger.core.evidence.claims import Figures
from gpuledger.core.evidence.moves import Moves, figures_of_moves
from gpuledger.core.evidence.succession import HashKeys, Numbers, Texts
from gpuledger.core.store import sql


def claim_table(
    connection: duckdb.DuckDBPyConnection,
    named: Mapping[str, Any],
    kinds: Mapping[str, int],
    ways: Mapping[str, int],
) -> pa.Table:
    """Every figure that speaks for or against a claim, one row per claim. What is asked depends on what there is: to
    plan a statement takes as long as to run it.

    Args:
        named: run_no, source, observed_at, started_at, is_complete and first_document.
        kinds: how many claims of each kind there are.
        ways: how many offers of the batch are bought how.
    """
    for step in ("20_seen", "30_known"):
        sql.run_named(connection, f"evidence/{step}", named)
    is_asked = {
        "40_past": "price" in kinds,
        "41_standing": "absence" in kinds,
        "42_fresh": "new" in kinds or "return" in kinds,
        "43_beside": sql.first(connection, "select 1 from known limit 1") is not None,
    }
    table = sql.arrow_named(connection, "evidence/50_figures", named)
    for step, is_one in is_asked.items():
        if is_one:
            table = _joined(table, sql.arrow_named(connection, f"evidence/{step}", named))
    if "price" in kinds:
        table = _joined(table, _moves(table, ways))
    for name, kind in _COLUMN_KINDS.items():
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows, kind))
    return table


def ways_of(seen: pa.Table) -> dict[str, int]:
    """How many offers of a batch are bought how."""
    counted = pc.value_counts(seen["purchase_option"])
    return dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))


def _moves(table: pa.Table, ways: Mapping[str, int]) -> pa.Table:
    """How the prices moved together, one row per claim of another price."""
    moved = table.filter(pc.equal(table["claim"], "price"))
    options = moved["purchase_option"].combine_chunks().dictionary_encode()
    fresh = ways_of(table.filter(pc.is_in(table["claim"], pa.array(["new", "return"]))))
    both = {
        code: ways[option] - fresh.get(option, 0)
        for code, option in enumerate(options.dictionary.to_pylist())
        if option in ways
    }

    def codes(name: str) -> np.ndarray[Any, Any]:
        return moved[name].combine_chunks().dictionary_encode().indices.to_numpy()

    def numbers(name: str) -> Numbers:
        return moved[name].cast(pa.float64()).to_numpy()

    moves = Moves(
        **{name: numbers(name) for name in ("change", "usd", "believed_usd", "gpu_count", "term")},
        **{name: codes(name) for name in ("gpu", "region", "provider", "sku")},
        **{name: moved[name].to_numpy() for name in ("product_key", "way")},
        option=options.indices.to_numpy(),
    )
    figures = figures_of_moves(moves, both)
    return pa.table(
        {
            "claim_no": moved["claim_no"],
            **{name: pa.array(each, from_pandas=True) for name, each in figures.items()},
        }
    )


def _joined(table: pa.Table, part: pa.Table) -> pa.Table:
    """The columns of a part put beside the claims that it has rows of."""
    row_of = np.full(table.num_rows, -1)
    row_of[part["claim_no"].to_numpy()] = np.arange(part.num_rows)
    taken = part.drop_columns("claim_no").take(pa.array(row_of, mask=row_of < 0))
    for name in taken.column_names:
        table = table.append_column(name, taken[name])
    return table


def figures_of(table: pa.Table) -> Figures:
    """The columns of `claim_table` as numpy has them."""

    def texts(name: str) -> Texts:
        return np.array(table[name].to_pylist(), dtype=object)

    def flags(name: str) -> np.ndarray[Any, Any]:
        return table[name].combine_chunks().fill_null(False).to_numpy(zero_copy_only=False).astype(np.bool_)

    def numbers(name: str) -> Numbers:
        return table[name].cast(pa.float64()).to_numpy()

    def keys(name: str) -> HashKeys:
        return table[name].to_numpy()

    kinds: dict[str, Any] = {"Texts": texts, "Flags": flags, "Numbers": numbers, "HashKeys": keys}
    option = table["purchase_option"].combine_chunks().dictionary_encode()
    names = np.array(option.dictionary.to_pylist(), dtype=object)[option.indices.to_numpy()]
    columns: dict[str, Any] = {
        name: kinds[kind](name) for name, kind in Figures.__annotations__.items() if name not in _OPTIONS
    }
    columns["is_exchanged"] |= flags("is_copied")
    return Figures(**columns, is_spot=names == "spot", is_reserved=names == "reserved")


_OPTIONS = ("is_spot", "is_reserved")
_ARROW_KINDS = {"Texts": pa.string(), "Flags": pa.bool_(), "Numbers": pa.float64(), "HashKeys": pa.uint64()}
_COLUMN_KINDS = {
    **{name: _ARROW_KINDS[kind] for name, kind in Figures.__annotations__.items() if name not in _OPTIONS},
    "is_copied": pa.bool_(),
    "other_source": pa.string(),
}
"""Columns of figures as Arrow has them, with the two that are no figure of their own."""

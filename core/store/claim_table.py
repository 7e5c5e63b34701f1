# pyarrow ships no types of its own.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportUnknownMemberType=false, reportMissingTypeStubs=false, reportAttributeAccessIssue=false
"""Every figure that speaks for or against the claims of a run, as columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gpuledger.core.evidence import limits
from gpuledger.core.evidence.claims import Figures
from gpuledger.core.evidence.moves import Moves, figures_of_moves, taken_over
from gpuledger.core.evidence.succession import Flags, HashKeys, Numbers, Texts
from gpuledger.core.store import sql
from gpuledger.core.validity import MARKETPLACES

STILL = 0.1
"""Move, as a difference of logarithms, below which no other offer is asked about a price."""

READ_AGAIN = (
    "claim_no", "offer_id", "offer_no", "position", "claim", "open_claim", "provider", "gpu_label", "gpu_id",
)  # fmt: skip
"""Columns of `claims_of` that later statements read as `claim`: to lend a wide table takes long."""

_BEFORE = {
    "withdrawn_amount": pa.decimal128(18, 6),
    "withdrawn_upfront_amount": pa.decimal128(18, 6),
    "withdrawn_currency": pa.string(),
    "withdrawn_unit": pa.string(),
    "lookalike_gpu_id": pa.string(),
}
"""What only some claims have, as `sql/evidence/12_withdrawn.sql` and `13_lookalike.sql` answer it."""

_NOTHING_KNOWN = pa.table(
    {
        name: pa.nulls(0, kind)
        for name, kind in {
            "offer_no": pa.int32(),
            "source": pa.string(),
            "other_offer_id": pa.string(),
            "is_own": pa.bool_(),
            "is_list": pa.bool_(),
            "gpu_count": pa.float64(),
            **dict.fromkeys(
                ("kin_key", "list_key", "provider_key", "product_key", "place_key", "ways_key", "market_key"),
                pa.int64(),
            ),
            "is_direct": pa.bool_(),
            "changed_at": pa.timestamp("us", tz="UTC"),
            "seen_at": pa.timestamp("us", tz="UTC"),
            "usd": pa.float64(),
        }.items()
    }
)
"""The columns of `sql/evidence/30_known.sql` and `31_known_elsewhere.sql`."""


def claims_of(connection: duckdb.DuckDBPyConnection, named: Mapping[str, Any], seen: pa.Table) -> pa.Table:
    """The claims of the batch that was compared (`sql/record/05_compared.sql`), one row each in the order of their
    numbers: what was believed and what is open, and beside it the row of the batch or, where the offer is absent, of
    the ledger. A batch is much wider and longer than its claims: they alone are read again and again.

    Args:
        named: source and is_complete.
        seen: the batch, its rows in the order of their `position`.
    """
    claim = sql.arrow_named(connection, "evidence/10_claim", named)
    if not claim.num_rows:
        return claim
    rows = seen.take(claim["position"].drop_null())
    if rows.num_rows < claim.num_rows:
        with sql.registered(connection, claim=claim):
            gone = sql.arrow_named(connection, "evidence/11_gone", named)
        rows = pa.concat_tables([rows, gone], promote_options="permissive")
    for name in rows.column_names:
        if name not in claim.column_names:
            claim = claim.append_column(name, rows[name])
    return claim


def claim_table(
    connection: duckdb.DuckDBPyConnection,
    named: Mapping[str, Any],
    claim: pa.Table,
    kinds: Collection[str],
    ways: Mapping[str, int],
) -> pa.Table:
    """Every figure that speaks for or against a claim, one row per claim. What is asked depends on what there is: to
    plan a statement takes as long as to run it.

    Args:
        named: run_no, source, observed_at, started_at, is_complete and first_document.
        claim: as `claims_of` makes it; its columns `READ_AGAIN` are registered under that name.
        kinds: of claims that there are.
        ways: how many offers of the batch are bought how.
    """
    rate = sql.arrow_named(connection, "record/rates_before", named)
    valued = _valued(connection, named, claim, kinds, rate)
    with sql.registered(connection, valued_claim=valued):
        table = sql.arrow_named(connection, "evidence/20_seen", named)
    with sql.registered(connection, claimed=table):
        believed = _believed_prices(connection, named, table, rate)
        with sql.registered(connection, known=believed):
            is_asked = {
                "40_past": "price" in kinds,
                "41_standing": "absence" in kinds,
                "42_fresh": "new" in kinds or "return" in kinds,
                "43_beside": believed.num_rows > 0,
                "44_elsewhere": believed["other_offer_id"].null_count < believed.num_rows,
            }
            parts = [
                sql.arrow_named(connection, f"evidence/{step}", named)
                for step, is_one in is_asked.items()
                if is_one
            ]
            if "price" in kinds:
                parts.append(_moves(table, ways))
            for part in parts:
                table = _joined(table, part)
            if "new" in kinds and believed.num_rows and _may_be_cheapest(_filled(table, _COLUMN_KINDS)):
                table = _joined(table, sql.arrow_named(connection, "evidence/45_repeated", named))
    return _filled(table, _COLUMN_KINDS)


def _may_be_cheapest(table: pa.Table) -> bool:
    """Whether a new offer is below all that its provider has, or the market where that has none: a list that undercuts
    nobody need not be looked for elsewhere."""
    low = pc.coalesce(table["kin_low"], table["market_low"])
    is_below = pc.less(table["usd"], pc.multiply(low, 1 - limits.KIN_SHARE))
    return pc.any(pc.and_(pc.equal(table["claim"], "new"), is_below)).as_py() is True


def _valued(
    connection: duckdb.DuckDBPyConnection,
    named: Mapping[str, Any],
    claim: pa.Table,
    kinds: Collection[str],
    rate: pa.Table,
) -> pa.Table:
    """The claims with what `evidence/20_seen` needs to know what they cost, and cost before, in US dollars."""
    table = claim
    if "return" in kinds:
        table = _joined(table, sql.arrow_named(connection, "evidence/12_withdrawn", named))
    if "new" in kinds and claim["gpu_id"].null_count:
        table = _joined(table, sql.arrow_named(connection, "evidence/13_lookalike", named))
    table = _filled(table, _BEFORE)
    before = pc.coalesce(table["believed_currency"], table["withdrawn_currency"])
    table = table.append_column("before_currency", before)
    for name, currency in (("usd_per_unit", table["currency"]), ("before_usd_per_unit", before)):
        place = pc.index_in(currency, rate["currency"])
        table = table.append_column(name, rate["usd_per_unit"].take(place))
    return table


def _believed_prices(
    connection: duckdb.DuckDBPyConnection, named: Mapping[str, Any], claimed: pa.Table, rate: pa.Table
) -> pa.Table:
    """What the ledger believed of the GPUs that need another offer to be judged, and what other sources said of the
    claimed offers, whatever their move."""
    is_still = pc.fill_null(pc.less(pc.abs(claimed["change"]), STILL), False)
    is_judged = pc.or_(
        pc.is_in(claimed["claim"], pa.array(["new", "return"])),
        pc.and_(
            pc.equal(claimed["claim"], "price"),
            pc.or_(pc.is_valid(claimed["open_state"]), pc.invert(is_still)),
        ),
    )
    material = pa.table({"gpu": pc.unique(claimed["gpu"].filter(is_judged))})
    with sql.registered(connection, material=material, rate=rate):
        parts = [
            sql.arrow_named(connection, f"evidence/{step}", named)
            for step, is_one in (
                ("30_known", material.num_rows > 0),
                ("31_known_elsewhere", _has_others(connection, named["source"])),
            )
            if is_one
        ]
    return pa.concat_tables([_NOTHING_KNOWN, *parts], promote_options="permissive")


def _has_others(connection: duckdb.DuckDBPyConnection, source: str) -> bool:
    return (
        sql.first(connection, "select 1 from offer_current where source <> $1 limit 1", [source]) is not None
    )


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
        **{name: moved[name].to_numpy().astype(np.uint64) for name in ("product_key", "way")},
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


def _filled(table: pa.Table, kinds: Mapping[str, pa.DataType]) -> pa.Table:
    """With the columns that nothing was asked for, as not known."""
    for name, kind in kinds.items():
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows, kind))
    return table


def figures_of(table: pa.Table) -> Figures:
    """The columns of `claim_table` as numpy has them."""

    def texts(name: str) -> Texts:
        return np.array(table[name].to_pylist(), dtype=object)

    def flags(name: str) -> np.ndarray[Any, Any]:
        return table[name].combine_chunks().fill_null(False).to_numpy(zero_copy_only=False).astype(np.bool_)

    def numbers(name: str) -> Numbers:
        column = table[name]
        if pa.types.is_timestamp(column.type):
            return pc.divide(column.cast(pa.int64()).cast(pa.float64()), 1e6).to_numpy()
        return column.cast(pa.float64()).to_numpy()

    def keys(name: str) -> HashKeys:
        return table[name].to_numpy().astype(np.uint64)

    kinds: dict[str, Any] = {"Texts": texts, "Flags": flags, "Numbers": numbers, "HashKeys": keys}
    option = table["purchase_option"].combine_chunks().dictionary_encode()
    names = np.array(option.dictionary.to_pylist(), dtype=object)[option.indices.to_numpy()]
    columns: dict[str, Any] = {
        name: kinds[kind](name) for name, kind in Figures.__annotations__.items() if name not in _OPTIONS
    }
    columns["is_exchanged"] |= flags("is_copied") | _taken_over(table)
    is_of_hosts = pc.is_in(table["provider"], pa.array(sorted(MARKETPLACES))).to_numpy()
    return Figures(
        **columns, is_spot=names == "spot", is_reserved=names == "reserved", is_of_hosts=is_of_hosts
    )


def _taken_over(table: pa.Table) -> Flags:
    claim = table["claim"]
    is_gone = pc.equal(claim, "absence").to_numpy()
    usd = np.where(is_gone, table["believed_usd"].to_numpy(), table["usd"].to_numpy())
    return taken_over(
        usd * table["gpu_count"].to_numpy(),
        table["change"].to_numpy(),
        table["shelf_key"].to_numpy().astype(np.uint64),
        table["gpu"].combine_chunks().dictionary_encode().indices.to_numpy(),
        pc.equal(claim, "price").to_numpy(),
        is_gone,
    )


_OPTIONS = ("is_spot", "is_reserved", "is_of_hosts")
_ARROW_KINDS = {"Texts": pa.string(), "Flags": pa.bool_(), "Numbers": pa.float64(), "HashKeys": pa.uint64()}
_COLUMN_KINDS = {
    **{name: _ARROW_KINDS[kind] for name, kind in Figures.__annotations__.items() if name not in _OPTIONS},
    "is_copied": pa.bool_(),
    "other_source": pa.string(),
    "repeated_region": pa.string(),
}
"""Columns of figures as Arrow has them, with those that are no figure of their own."""

# pyarrow ships no types of its own.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportUnknownMemberType=false, reportMissingTypeStubs=false, reportAttributeAccessIssue=false
"""What the ledger knows about a run's claims, and the disputes that follow from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gpuledger.core.evidence.claims import Action, Circumstances, Figures, Reason, Verdicts
from gpuledger.core.evidence.rules import weigh
from gpuledger.core.evidence.sentences import sentence, uniform
from gpuledger.core.evidence.succession import Flags, Positions
from gpuledger.core.store import sql
from gpuledger.core.store.claim_table import READ_AGAIN, claim_table, claims_of, figures_of, ways_of

SHOWN = 5
"""Lines of evidence in a run's report."""

WORDED_EACH = 2_000
"""Disputes of one run that are worded one by one; beyond, those of a list that moved as one share a line."""

STATES = {
    Action.DISPUTE: "disputed",
    Action.CONFIRM: "confirmed",
    Action.LAPSE: "lapsed",
}


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """What became of a run's claims."""

    disputed: int = 0
    """Prices and absences of this run that do not count."""
    confirmed: int = 0
    evidence: tuple[str, ...] = ()
    """Some of what was disputed, in one line each."""
    renames: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Weighing:
    """How the claims of a source are weighed."""

    every: timedelta
    started_at: datetime
    is_marketplace: bool = False
    doubts: Mapping[str, str] = field(default_factory=dict[str, str])


def rule_nothing(connection: duckdb.DuckDBPyConnection, held: Sequence[str] = ()) -> None:
    """For runs that are not weighed: nothing is backdated, and nothing held back but what was ruled before."""
    connection.execute(
        "create or replace temp table ruling (offer_id varchar, is_held boolean, claimed_at timestamptz)"
    )
    if held:
        connection.execute(
            "insert into ruling select unnest($held::varchar[]), true, null", {"held": list(held)}
        )


def weigh_list(
    connection: duckdb.DuckDBPyConnection, weighing: Weighing, parameters: Mapping[str, Any], rows: pa.Table
) -> tuple[Weighed, pa.Table]:
    """Weigh the newest price of each offer of a dated list as a run's; returns the rows of the list without those that
    say what is disputed. Only inside a transaction.

    Args:
        parameters: run_no, source, observed_at and first_document.
        rows: in the order of their `position`.
    """
    # what a list lacks says nothing
    named = {**parameters, "started_at": weighing.started_at, "is_complete": False}
    with sql.registered(connection, seen_arrow=rows):
        places = sql.arrow_named(connection, "evidence/05_newest", named)["position"]
    newest = rows.take(places)
    place = newest.column_names.index("position")
    newest = newest.set_column(place, "position", pa.array(range(newest.num_rows), pa.int32()))
    with sql.registered(connection, seen_arrow=newest):
        sql.run_named(connection, "record/05_compared", named)
        weighed = weigh_run(connection, weighing, named, newest)
    if not weighed.disputed:
        return weighed, rows
    with sql.registered(connection, seen_arrow=rows, newest_arrow=newest):
        counted = sql.arrow_named(connection, "evidence/90_counted", named)["position"]
    return weighed, rows.take(counted)


def weigh_run(
    connection: duckdb.DuckDBPyConnection, weighing: Weighing, parameters: Mapping[str, Any], seen: pa.Table
) -> Weighed:
    """Weigh the batch that is registered as `seen_arrow`; leaves the temporary table `ruling` for
    `record/10_difference` and appends to `disputed_price`. Only inside a transaction.

    Args:
        parameters: run_no, source, observed_at, is_complete and first_document.
        seen: that batch, its rows in the order of their `position`.
    """
    named = {**parameters, "started_at": weighing.started_at}
    claim = claims_of(connection, named, seen)
    if not claim.num_rows:
        rule_nothing(connection)
        return Weighed()
    with sql.registered(connection, claim=claim.select(READ_AGAIN)):
        return _weigh_claims(connection, weighing, named, claim, ways_of(seen))


def _weigh_claims(
    connection: duckdb.DuckDBPyConnection,
    weighing: Weighing,
    named: Mapping[str, Any],
    claim: pa.Table,
    ways: Mapping[str, int],
) -> Weighed:
    """Weigh the claims, as `claims_of` makes them; what later statements read of them is registered as `claim`.

    Args:
        ways: how many offers of the batch are bought how.
    """
    kinds = frozenset(pc.unique(claim["claim"]).to_pylist())
    table = claim_table(connection, named, claim, kinds, ways)
    run = Circumstances(
        at=named["observed_at"].timestamp(),
        every_seconds=weighing.every.total_seconds(),
        is_first=not _has_offers(connection, named["source"]),
        is_marketplace=weighing.is_marketplace,
        doubts=weighing.doubts,
    )
    figures = figures_of(table)
    verdicts = weigh(figures, run)
    noted = np.flatnonzero(np.isin(verdicts.action, [int(which) for which in STATES]))
    words, shown = _evidence(connection, table, noted, verdicts, weighing)
    held = np.isin(verdicts.action, [int(Action.DISPUTE), int(Action.HOLD)])
    with sql.registered(connection, ruled=_rulings(claim, figures, verdicts, held)):
        sql.run_named(connection, "evidence/60_ruling", named)
    if len(noted):
        with sql.registered(connection, event=_events(claim, table, noted, verdicts, words)):
            sql.run_named(connection, "evidence/70_dispute", named)
    if _may_forget(connection, named):
        sql.run_named(connection, "evidence/80_forgotten", named)
    return Weighed(
        disputed=int(held.sum()),
        confirmed=int((verdicts.action == Action.CONFIRM).sum()),
        evidence=shown,
        renames=tuple(_renames(table, verdicts)),
    )


def _rulings(claim: pa.Table, figures: Figures, verdicts: Verdicts, held: Flags) -> pa.Table:
    """The offers that are held back, and those whose claim is confirmed, with the time from which it then holds."""
    ruled = np.flatnonzero(held | (verdicts.action == Action.CONFIRM))
    is_dated = ~held & (figures.is_as_disputed | (figures.claim == "absence"))
    return pa.table(
        {
            "offer_id": claim["offer_id"].take(ruled),
            "is_held": pa.array(held[ruled], pa.bool_()),
            "claimed_at": pc.if_else(
                pa.array(is_dated[ruled]),
                claim["open_at"].take(ruled),
                pa.scalar(None, claim["open_at"].type),
            ),
        }
    )


def _events(
    claim: pa.Table, table: pa.Table, noted: Positions, verdicts: Verdicts, words: Sequence[str]
) -> pa.Table:
    """What is appended to `disputed_price`: whole claims with what became of them."""
    events = claim.take(noted)
    more = {
        "state": pa.array([STATES[Action(which)] for which in verdicts.action[noted]], pa.string()),
        "evidence": pa.array(words, pa.string()),
        "is_left_to_operator": pa.array(verdicts.is_left_to_operator[noted], pa.bool_()),
        "usd": table["usd"].take(noted),
        "believed_usd": table["believed_usd"].take(noted),
    }
    for name, column in more.items():
        events = events.append_column(name, column)
    return events


def _evidence(
    connection: duckdb.DuckDBPyConnection,
    table: pa.Table,
    noted: Positions,
    verdicts: Verdicts,
    weighing: Weighing,
) -> tuple[list[str], tuple[str, ...]]:
    """The words of what is noted, and some of them for the run's report, the new first."""
    action = verdicts.action
    rates = _rates(connection) if (verdicts.reason == Reason.UNIFORM).any() else {}
    words = _words(table, noted, verdicts, rates, weighing.doubts)
    new = [words[place] for place in np.flatnonzero(action[noted] == Action.DISPUTE)[:SHOWN].tolist()]
    old = np.flatnonzero(action == Action.HOLD)[: SHOWN - len(new)]
    return words, (*new, *_words(table, old, verdicts, rates, weighing.doubts))


class _Columns(dict[str, list[Any]]):
    """Columns of figures as objects, each made of Arrow when the first sentence reads it."""

    def __init__(self, table: pa.Table) -> None:
        super().__init__()
        self._table = table

    def __missing__(self, name: str) -> list[Any]:
        self[name] = self._table[name].to_pylist()
        return self[name]


class _ClaimRow(dict[str, Any]):
    """One claim with its figures, of which most are read by no sentence."""

    def __init__(self, columns: _Columns, number: int) -> None:
        super().__init__()
        self._columns, self._number = columns, number

    def __missing__(self, name: str) -> object:
        self[name] = self._columns[name][self._number]
        return self[name]


def _words(
    table: pa.Table,
    places: Positions,
    verdicts: Verdicts,
    rates: Mapping[str, float],
    doubts: Mapping[str, str],
) -> list[str]:
    if len(places) > WORDED_EACH and (verdicts.reason[places] == Reason.UNIFORM).all():
        # one statement about the whole answer
        return [uniform(table.slice(int(places[0]), 1).to_pylist()[0], rates)] * len(places)
    columns = _Columns(table.take(places))
    rows = [_ClaimRow(columns, number) for number in range(len(places))]
    came = verdicts.succession
    before = np.where(np.isfinite(came.predecessor_usd), came.predecessor_usd, came.moved_usd)
    uniform_row = _moved_alike(table)
    for row, place in zip(rows, places.tolist(), strict=True):
        # of another way to buy than those whose prices moved by one factor, or no price at all
        if row["option_alike"] is None:
            row |= uniform_row
        row["predecessor_usd"] = float(before[place])
        row["shift"] = float(came.shift[place])
    return [
        _word(row, Action(int(verdicts.action[place])), Reason(int(verdicts.reason[place])), rates, doubts)
        for place, row in zip(places.tolist(), rows, strict=True)
    ]


def _moved_alike(table: pa.Table) -> dict[str, Any]:
    """What the rows that moved by one factor say of the whole answer."""
    columns = ("option_factor", "option_alike", "option_both")
    rows = table.select(columns).filter(table["option_alike"].is_valid())
    alike = rows.sort_by([("option_alike", "descending")]).slice(0, 1).to_pylist()
    return alike[0] if alike else dict.fromkeys(columns)


def _word(
    row: Mapping[str, Any],
    action: Action,
    reason: Reason,
    rates: Mapping[str, float],
    doubts: Mapping[str, str],
) -> str:
    if action in (Action.DISPUTE, Action.HOLD):
        return sentence(reason, row, rates=rates, doubt=doubts.get(row["offer_id"]))
    if action is Action.LAPSE:
        return "the source claims this no more"
    if reason is Reason.NONE:
        return "what contradicted it holds no more"
    return f"the source has claimed the same since {row['open_since_at']:%Y-%m-%d %H:%M} UTC"


def _renames(table: pa.Table, verdicts: Verdicts) -> list[str]:
    came = verdicts.succession
    places = np.flatnonzero(came.is_renamed_alike & (came.renamed_to >= 0))[:SHOWN]
    names = table["instance_type"].take(came.renamed_to[places]).to_pylist()
    return [
        f"{row['gpu']} {row['instance_type']} in {row['region']} went, {name} appeared at the same price: a rename"
        for row, name in zip(table.take(places).to_pylist(), names, strict=True)
    ]


def _rates(connection: duckdb.DuckDBPyConnection) -> dict[str, float]:
    return dict(connection.execute("select currency, usd_per_unit::double from usd_rate(null)").fetchall())


def _has_offers(connection: duckdb.DuckDBPyConnection, source: str) -> bool:
    row = sql.first(connection, "select 1 from offer_current where source = $1 limit 1", [source])
    return row is not None


def _may_forget(connection: duckdb.DuckDBPyConnection, named: Mapping[str, Any]) -> bool:
    """Whether a dispute about a new identity may be two weeks old: cheaper than to look for the newest word of each."""
    row = sql.first(
        connection,
        "select 1 from disputed_price where source = $source and claim in ('new', 'return')"
        " and since_at < $observed_at::timestamptz - interval 14 day limit 1",
        {"source": named["source"], "observed_at": named["observed_at"]},
    )
    return row is not None

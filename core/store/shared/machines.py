"""The machines of a shared store: each says in the catalogue that it lives, of which release it is, and what is wrong.

So an audit on any of them names the one whose share is not mounted, whose clock is ahead, or that fell silent.
"""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gpuledger.core.config import LakeAddress
from gpuledger.core.store import sql
from gpuledger.core.store.catalogue import executed, query_catalogue

SILENT = timedelta(hours=26)
"""A machine that said nothing for so long is missed: even one that reads daily sources alone has spoken."""
FORGOTTEN = timedelta(days=7)
"""From then on a silent machine counts as taken away."""


@dataclass(frozen=True, kw_only=True)
class MachineReport:
    """What a machine said last."""

    name: str
    said_at: datetime
    """By the catalogue's clock."""
    release: str
    """Newest migration that its program knows."""
    problem: str | None


def name_of(home: Path) -> str:
    """Host and home: several homes on one host are several machines."""
    return f"{socket.gethostname()}:{home}"


def report(address: LakeAddress, home: Path, *, release: str, problem: str | None) -> None:
    """Say that this machine lives, and what is wrong with it.

    Raises:
        UnreachableError: the catalogue does not answer.
    """
    content = sql.literal(
        json.dumps({"name": name_of(home), "release": release, "problem": problem}).replace("\\u0000", "")
    )
    table = _table(address)
    executed(
        address,
        f"create table if not exists {table} (name text primary key, said_at timestamptz not null,"
        " release text not null, problem text);"
        f" delete from {table} where said_at < now() - interval '{FORGOTTEN.days} days';"
        f" insert into {table} select said.name, clock_timestamp(), said.release, said.problem"
        f" from json_to_record({content}) as said(name text, release text, problem text)"
        " on conflict (name) do update set said_at = excluded.said_at, release = excluded.release,"
        " problem = excluded.problem",
    )


def reports_of_machines(address: LakeAddress) -> tuple[list[MachineReport], datetime]:
    """All machines by name, and the catalogue's time.

    Raises:
        UnreachableError: the catalogue does not answer.
    """
    # a store that was moved here has no table until a machine speaks
    if not query_catalogue(address, f"select to_regclass({sql.literal(_table(address))}) is not null")[0][0]:
        return [], datetime.now(UTC)
    rows = query_catalogue(
        address,
        "select name, extract(epoch from said_at)::float8 as said_seconds, release, problem,"
        f" extract(epoch from now())::float8 as now_seconds from {_table(address)} order by name",
    )
    machines = [
        MachineReport(name=row[0], said_at=_time(row[1]), release=row[2], problem=row[3]) for row in rows
    ]
    return machines, _time(rows[0][4]) if rows else datetime.now(UTC)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _table(address: LakeAddress) -> str:
    return f'"{address.schema}".gpuledger_machine'

# pyarrow ships no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
"""Distil price archives that lie outside the repository into the bundled history, `sql/history/GROUP.parquet`.

    python -m tools.history.distill FOLDER

Every archive of `archives.toml` goes through the reader that `gpuledger import` has for it, into a ledger of its own:
so what the program would refuse is refused here, and counted by reason in the file. What is kept are facts: which
offer had which price from when until when, and which archive says so.
"""

from __future__ import annotations

import json
import sys
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gpuledger.core.store.database import writing
from gpuledger.core.store.home import Home
from gpuledger.core.store.sql import FOLDER
from gpuledger.flows.imports import import_files
from gpuledger.flows.ledger import LedgerWriter
from gpuledger.scrapers.archives.registry import EVERY_SOURCE, archive
from gpuledger.scrapers.history import schema
from tools.history.intervals import Interval, beside, intervals
from tools.history.slips import without_slips

HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Distilled:
    """What one archive came to."""

    entry: Mapping[str, Any]
    version: str
    covers_from: datetime
    covers_until: datetime
    intervals: Sequence[Interval]
    refused: Mapping[str, int]
    without_accelerator: int


def distil(entry: Mapping[str, Any], folder: Path) -> Distilled:
    """One archive through its reader, in a ledger that is thrown away."""
    paths = [path for name in entry["files"] for path in sorted((folder / entry["folder"]).glob(name))]
    if not paths:
        raise SystemExit(f"{folder / entry['folder']}: no {entry['files']}")
    with tempfile.TemporaryDirectory() as place:
        ledger = LedgerWriter(home=Home(Path(place)), sources=EVERY_SOURCE, clock=lambda: datetime.now(UTC))
        source = archive(entry["reader"])
        report = import_files(ledger, source, paths, context=entry.get("context", {}))
        refused: dict[str, int] = defaultdict(int)
        for run in report.cycle.runs:
            if run.outcome != "accepted":
                raise SystemExit(f"{entry['name']}: {run.error}")
            for reason, count in run.skipped.items():
                refused[reason] += count
        with writing(ledger.home) as connection:
            cursor = connection.execute((HERE / "intervals.sql").read_text(encoding="utf-8"))
            names = [column[0] for column in cursor.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            span = connection.execute("select min(covers_from), max(covers_until) from price_list").fetchall()
    wanted = [row for row in rows if _is_of(row["provider"], entry)]
    if other := len(rows) - len(wanted):
        refused["a provider that another archive tells of with its regions"] += other
    named = [row for row in wanted if row["gpu_id"] is not None]
    told = list(intervals(named))
    if entry["kind"] == "changes":
        told, slips = without_slips(told)
        refused |= slips
    return Distilled(
        entry=entry,
        version=_version(paths),
        covers_from=span[0][0],
        covers_until=span[0][1],
        intervals=told,
        refused=dict(refused),
        without_accelerator=len(wanted) - len(named),
    )


def _is_of(provider: str, entry: Mapping[str, Any]) -> bool:
    only, without = entry.get("providers"), entry.get("without_providers", ())
    return provider not in without and (only is None or provider in only)


def _version(paths: Sequence[Path]) -> str:
    """The newest commit that a change list names, else the name of its newest file."""
    lines = paths[0].read_text(encoding="utf-8").splitlines()
    head = lines[0].split(",")
    for column in ("commit", "source_ref"):
        if column in head:
            return max(line.split(",", 2)[:2] for line in lines[1:] if line)[1]
    return paths[-1].stem


def merged(group: Sequence[Distilled]) -> tuple[list[tuple[Distilled, Interval]], dict[str, int]]:
    """The intervals of a group of archives, the most trusted first; and per archive how many others told better."""
    by_offer: dict[str, list[tuple[Distilled, Interval]]] = defaultdict(list)
    told_better: dict[str, int] = {}
    for one in group:
        told_better[one.entry["name"]] = 0
        for offer_id, found in groupby(one.intervals, key=lambda interval: interval.row["offer_id"]):
            before = sorted((interval for _, interval in by_offer[offer_id]), key=lambda each: each.seen_from)
            added, left = beside(before, list(found))
            told_better[one.entry["name"]] += left
            by_offer[offer_id] += [(one, interval) for interval in added]
    return [entry for offer_id in sorted(by_offer) for entry in by_offer[offer_id]], told_better


def _sorted(entries: Iterable[tuple[Distilled, Interval]]) -> list[tuple[Distilled, Interval]]:
    def key(entry: tuple[Distilled, Interval]) -> tuple[Any, ...]:
        row = entry[1].row
        return (
            *(row["provider"], row["gpu_id"], row["sku"], row["region"], row["purchase_option"]),
            *(row["offer_id"], entry[1].seen_from),
        )

    return sorted(entries, key=key)


def write(name: str, group: Sequence[Distilled], left_out: Sequence[Mapping[str, Any]], target: Path) -> int:
    """One file; returns its rows."""
    entries, told_better = merged(group)
    entries = _sorted(entries)
    shared = [field.name for field in schema() if field.name not in _STATED]
    columns: dict[str, list[Any]] = {field: [entry.row[field] for _, entry in entries] for field in shared}
    columns |= {
        "seen_from": [entry.seen_from for _, entry in entries],
        "seen_until": [entry.seen_until for _, entry in entries],
        "gone_at": [entry.gone_at for _, entry in entries],
        "archive": [one.entry["name"] for one, _ in entries],
        "archive_version": [one.version for one, _ in entries],
    }
    archives = [
        {
            "name": one.entry["name"],
            "from": one.entry["from"],
            "licence": one.entry["licence"],
            "kind": one.entry["kind"],
            "version": one.version,
            "covers_from": one.covers_from.isoformat(),
            "covers_until": one.covers_until.isoformat(),
            "intervals": sum(told is one for told, _ in entries),
            "refused": dict(sorted(one.refused.items())),
            "without_accelerator": one.without_accelerator,
            "told_better_by_another": told_better[one.entry["name"]],
        }
        for one in group
    ]
    metadata = {
        "gpuledger.group": name,
        "gpuledger.archives": json.dumps(archives, sort_keys=True),
        "gpuledger.left_out": json.dumps(list(left_out), sort_keys=True),
    }
    table = pa.table({field.name: pa.array(columns[field.name], field.type) for field in schema()})
    pq.write_table(
        table.replace_schema_metadata(metadata),
        target / f"{name}.parquet",
        compression="zstd",
        compression_level=19,
        use_dictionary=True,
        row_group_size=1_000_000,
    )
    return table.num_rows


_STATED = {"seen_from", "seen_until", "gone_at", "archive", "archive_version"}


def main(folder: Path, target: Path) -> None:
    """Distil all archives below a folder."""
    wanted = tomllib.loads((HERE / "archives.toml").read_text(encoding="utf-8"))
    groups: dict[str, list[Distilled]] = defaultdict(list)
    for entry in wanted["archive"]:
        one = distil(entry, folder)
        groups[entry["group"]].append(one)
        sys.stderr.write(
            f"{entry['name']}: {len(one.intervals)} prices, {sum(one.refused.values())} rows refused\n"
        )
    target.mkdir(parents=True, exist_ok=True)
    for name, group in groups.items():
        rows = write(name, group, wanted["left_out"], target)
        sys.stderr.write(
            f"{name}.parquet: {rows} rows, {(target / f'{name}.parquet').stat().st_size} bytes\n"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else FOLDER / "history")

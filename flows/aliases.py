"""What a label means, said by the operator: a row of the home's own table, which holds for the past too."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from gpuledger.core.alias import Alias, normalised_label, read_aliases
from gpuledger.core.files import write_whole
from gpuledger.core.gpu import gpu
from gpuledger.core.store import sql
from gpuledger.core.store.publish import reading
from gpuledger.flows.ledger import USER_ALIASES, LedgerWriter
from gpuledger.flows.pipeline import record_runs

COLUMNS = ("provider", "gpu_label", "gpu_memory_gib", "gpu_id", "source")


@dataclass(frozen=True, kw_only=True)
class AliasReport:
    """What an alias did; offers of all times whose label it explains."""

    provider: str
    gpu_label: str
    gpu_id: str
    offers: int
    snapshot: int | None


def add_alias(
    ledger: LedgerWriter, label: str, gpu_id: str, *, provider: str, memory_gib: Decimal | None
) -> AliasReport:
    """Say what a label means, and publish: every offer that ever had it is mapped, without a replay.

    Args:
        provider: empty for all of them.
        memory_gib: only for offers whose accelerator has this memory.

    Raises:
        UnknownGPUError: no such accelerator; carries the nearest ids.
    """
    alias = Alias(provider, label.strip(), memory_gib, gpu(gpu_id).gpu_id)
    ledger.home.create()
    path = ledger.home.path / USER_ALIASES
    said_before = read_aliases(path) if path.exists() else []
    _write(path, [*(row for row in said_before if _meant(row) != _meant(alias)), alias])
    snapshot = record_runs(ledger, []).snapshot
    with reading(ledger.home) as connection:
        labels = sql.rows(
            connection, "queries/labels", {"provider": provider or None, "gpu_id": alias.gpu_id}
        )
    named = normalised_label(alias.label)
    offers = sum(row["offers"] for row in labels if normalised_label(row["gpu_label"]) == named)
    return AliasReport(
        provider=provider, gpu_label=alias.label, gpu_id=alias.gpu_id, offers=offers, snapshot=snapshot
    )


def _meant(alias: Alias) -> tuple[str, str, Decimal | None]:
    return alias.provider, normalised_label(alias.label), alias.memory_gib


def _write(path: Path, rows: list[Alias]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        memory = "" if row.memory_gib is None else format(row.memory_gib, "f")
        writer.writerow((row.provider, row.label, memory, row.gpu_id, "operator"))
    write_whole(path, text.getvalue().encode())

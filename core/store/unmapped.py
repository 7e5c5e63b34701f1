"""Labels that no alias explains, each with the reason."""

from __future__ import annotations

from typing import Any

import duckdb

from gpuledger.core.alias import Alias, Aliases
from gpuledger.core.store import sql


def unmapped_labels(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """One row per provider, label and memory without an accelerator, most offers first; `reason` says why: the name
    is not known, the stated memory is another card's, or it is a part of a card."""
    rows = sql.rows(connection, "queries/unmapped")
    if not rows:
        return []
    known = connection.execute("select provider, gpu_label, gpu_memory_gib, gpu_id from gpu_alias").fetchall()
    aliases = Aliases(Alias(*row) for row in known)
    return [row | {"reason": _reason(row, aliases)} for row in rows]


def _reason(row: dict[str, Any], aliases: Aliases) -> str:
    if row["provider"] == "azure" and row["gpu_label"].startswith("Standard_"):
        return "a size whose accelerators are not in the seeds"
    return aliases.meaning(row["provider"], row["gpu_label"], row["gpu_memory_gib"]).reason

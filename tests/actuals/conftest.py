"""What imports need of a ledger, without one; each test has a home of its own for its bills."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from gpuledger.core.actuals.machine import Machines
from gpuledger.core.store.actuals import LedgerFacts, import_bill

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
Taken = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def facts() -> LedgerFacts:
    """Some machines, and one price that CoreWeave asked before the bills and one after."""
    machines = (
        ("aws", "p5.48xlarge", "h100-sxm-80gb", 8.0),
        ("azure", "Standard_ND96isr_H100_v5", "h100-sxm-80gb", 8.0),
        ("runpod", "NVIDIA H100 80GB HBM3", "h100-sxm-80gb", 1.0),
        ("lambda", "gpu_8x_a100_80gb_sxm4", "a100-sxm-80gb", 8.0),
    )
    asked = [(datetime(2026, 3, 1, tzinfo=UTC), "6.155"), (datetime(2026, 10, 20, tzinfo=UTC), "5.10")]
    prices = [("coreweave", "nvidia-h100", "h100-sxm-80gb", since, Decimal(usd)) for since, usd in asked]
    return LedgerFacts(machines=Machines(machines), rates=(), prices=prices)


@pytest.fixture
def take(tmp_path: Path, facts: LedgerFacts) -> Taken:
    """Imports a text as a file of that name, and gives what was said of it."""

    def taken(name: str, text: str | bytes, **more: Any) -> dict[str, Any]:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        imported = import_bill(
            path, tmp_path, facts, provider=more.get("provider"), imported_at=more.get("at", NOW)
        )
        return imported.to_dict()

    return taken


@pytest.fixture
def stored(tmp_path: Path) -> Callable[[], list[dict[str, Any]]]:
    """The charges that the home has, as rows."""

    def rows() -> list[dict[str, Any]]:
        found = duckdb.sql(f"select * from read_parquet('{tmp_path}/actuals/*.parquet') order by started_at")
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]

    return rows

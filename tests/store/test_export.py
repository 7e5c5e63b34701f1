"""An export holds what the snapshot holds: Parquet by month, or one plain DuckDB file."""

from decimal import Decimal

import duckdb
import pytest

from gpuledger.core.errors import StoreError
from gpuledger.core.store.export import export_duckdb, export_parquet
from gpuledger.core.store.publish import reading
from gpuledger.flows.imports import import_files
from gpuledger.flows.pipeline import LedgerWriter
from gpuledger.scrapers.archives.registry import ARCHIVES, archive

ROWS = """observed_at,provider,instance_type,region,price_usd_hour
2025-01-05,aws,p5.48xlarge,us-east-1,98.32
2025-06-23,aws,p5.48xlarge,us-east-1,55.04
2025-06-24,aws,p4d.24xlarge,us-east-1,21.957642
"""


@pytest.fixture
def ledger(home, clock, tmp_path) -> LedgerWriter:
    ledger = LedgerWriter(home=home, sources=ARCHIVES, clock=clock)
    (tmp_path / "rows.csv").write_text(ROWS)
    import_files(ledger, archive("changes"), [tmp_path / "rows.csv"], context={})
    return ledger


def test_history_is_one_parquet_file_a_month(ledger, tmp_path):
    with reading(ledger.home) as connection:
        files = export_parquet(connection, tmp_path / "out")
        expected = connection.execute("select count(*) from price_history").fetchone()
    months = sorted(path.name for path in (tmp_path / "out" / "price_history").iterdir())
    assert months == ["2025-01.parquet", "2025-06.parquet"]
    assert {path.name for path in files} >= {"offer_latest.parquet", "gpu_price_index.parquet"}
    with duckdb.connect() as plain:
        found = plain.execute(f"select count(*) from '{tmp_path}/out/price_history/*.parquet'").fetchone()
    assert found == expected == (3,)


def test_a_plain_database_opens_without_this_program(ledger, tmp_path):
    path = tmp_path / "it's.duckdb"
    with reading(ledger.home) as connection:
        export_duckdb(connection, path)
    with duckdb.connect(str(path), read_only=True) as plain:
        assert plain.execute("select min(usd_per_hour), max(usd_per_hour) from price_history").fetchone() == (
            Decimal("21.957642"),
            Decimal("98.32"),
        )
        # seen in 2025: history, and on sale no more
        assert plain.execute("select count(*) from offer_latest").fetchone() == (0,)


def test_an_export_does_not_overwrite_a_database(ledger, tmp_path):
    path = tmp_path / "mine.duckdb"
    path.write_text("mine")
    with reading(ledger.home) as connection, pytest.raises(StoreError, match="does not overwrite"):
        export_duckdb(connection, path)
    assert path.read_text() == "mine"

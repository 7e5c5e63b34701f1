# pyarrow ships no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingTypeStubs=false
"""Parquet is read without Arrow's threads, which may outlive the interpreter."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gpuledger.core.parquet import parquet_batches, parquet_file, parquet_metadata, parquet_table

TABLE = pa.table({"gpu": ["A100", "H100", "T4"], "usd": [1.1, 2.0, 0.2]}).replace_schema_metadata(
    {"of": "test"}
)


@pytest.fixture(scope="module")
def body() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(TABLE, sink, row_group_size=2)
    return sink.getvalue().to_pybytes()


def test_a_table_comes_back_whole_or_by_column(body: bytes):
    assert parquet_table(body).to_pylist() == TABLE.to_pylist()
    assert parquet_table(body, ["usd"]).column_names == ["usd"]


def test_rows_come_in_batches(body: bytes):
    assert [len(rows) for rows in parquet_batches(parquet_file(body), rows=2)] == [2, 1]


def test_a_writer_s_notes_are_text(body: bytes):
    assert parquet_metadata(body)["of"] == "test"


@pytest.mark.parametrize("source", [b"", b"PAR1", b"not a table at all" * 100])
def test_bytes_that_are_no_parquet_are_an_error_of_arrow(source: bytes):
    with pytest.raises(pa.ArrowException):
        parquet_table(source)


READ = """
import os, sys
from gpuledger.core.parquet import parquet_batches, parquet_file, parquet_table
import pyarrow
def threads():
    return len(os.listdir("/proc/self/task"))
before = threads()
body = open(sys.argv[1], "rb").read()
parquet_table(body)
list(parquet_batches(parquet_file(body)))
print(threads() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted in /proc")
def test_no_thread_is_started(body: bytes, tmp_path: Path):
    file = tmp_path / "one.parquet"
    file.write_bytes(body)
    ran = subprocess.run([sys.executable, "-c", READ, str(file)], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "0"

"""Archives that unpack to far more than they are, or hold what no table holds: refused, and cheaply."""

import io
import zipfile
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gpuledger.core.document import Document, Request
from gpuledger.core.errors import ParseError
from gpuledger.scrapers.archives import table
from gpuledger.scrapers.archives.table import csv_rows, table_rows, zip_members


def document(body: bytes) -> Document:
    at = datetime(2026, 10, 7, tzinfo=UTC)
    return Document(source="gpuhunt", request=Request(url="file:x"), body=body, fetched_at=at)


def zipped(content: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.csv", content)
    return target.getvalue()


def test_a_zip_of_one_line_repeated_is_not_unpacked(monkeypatch):
    monkeypatch.setattr(table, "SMALL_BYTES", 100_000)
    body = zipped(b"a,b\n" + b"1,2\n" * 50_000)
    with pytest.raises(ParseError, match="that unpacks to 200,004"):
        list(zip_members(document(body)))


def test_a_zip_larger_than_any_catalogue_is_not_unpacked(monkeypatch):
    monkeypatch.setattr(table, "MOST_UNPACKED_BYTES", 100_000)
    with pytest.raises(ParseError, match="more than 512 MiB"):
        list(zip_members(document(zipped(b"x" * 200_000))))


def test_parquet_of_more_rows_than_bytes_is_not_read(monkeypatch):
    monkeypatch.setattr(table, "SMALL_ROWS", 1_000)
    target = io.BytesIO()
    pq.write_table(pa.table({"a": pa.array([1] * 100_000)}), target)
    with pytest.raises(ParseError, match="100,000 rows"):
        list(table_rows(document(target.getvalue())))


@pytest.mark.parametrize("text", ["a" * 200_000, "a,b\n1," + "2" * 200_000], ids=["header", "cell"])
def test_a_cell_longer_than_any_is_named_and_no_traceback(text):
    with pytest.raises(ParseError, match="field larger than field limit"):
        list(csv_rows(document(b""), text))

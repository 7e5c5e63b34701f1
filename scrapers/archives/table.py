# pyarrow ships no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingTypeStubs=false
"""The rows of a CSV, JSON-lines or Parquet document, by its first bytes."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from gpuledger.core.document import Document
from gpuledger.core.parquet import parquet_batches, parquet_file

MOST_UNPACKED_BYTES = 512 * 2**20
"""A catalogue of 90,000 rows is 12 MB; beyond this a zip is no catalogue."""
SMALL_BYTES = 32 * 2**20
MOST_RATIO = 60
"""Catalogues of 2023 to 2026 shrink to a 5th to a 30th; a zip of one byte repeated to a 1,000th."""
SMALL_ROWS = 1_000_000


def table_rows(document: Document) -> Iterator[Mapping[str, Any]]:
    """Rows by column name; text in CSV, typed values in the other two.

    Raises:
        ParseError: none of the three forms, or cut off in the middle.
    """
    body = document.body
    if body[:4] == b"PAR1":
        yield from _parquet(document)
    elif body.lstrip()[:1] == b"{":
        for number, line in enumerate(document.text().splitlines(), start=1):
            if line.strip():
                try:
                    row = json.loads(line, parse_float=Decimal)
                except ValueError as error:
                    raise document.error(f"line {number} is not JSON: {error}") from error
                if not isinstance(row, dict):
                    raise document.error(f"line {number} is no object")
                yield row
    else:
        yield from csv_rows(document, document.text())


def csv_rows(document: Document, text: str) -> Iterator[dict[str, str]]:
    """Rows of a CSV with a header.

    Raises:
        ParseError: no header, or a row that is longer or shorter than it.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""), restkey="")
    try:
        is_table = len(reader.fieldnames or ()) >= 2
    except csv.Error as error:
        raise document.error(f"no header: {error}") from error
    if not is_table or not reader.fieldnames:
        raise document.error(f"no table; {document.opening}")
    try:
        for row in reader:
            if row.get("") or None in row.values():
                raise document.error(f"line {reader.line_num} does not have {len(reader.fieldnames)} cells")
            yield row
    except csv.Error as error:
        raise document.error(f"line {reader.line_num}: {error}") from error


def zip_members(document: Document) -> Iterator[tuple[str, str]]:
    """Name and text of each CSV of a zip.

    Raises:
        ParseError: no zip, cut off, or larger than a catalogue can be.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(document.body)) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
            if unpacked > MOST_UNPACKED_BYTES:
                raise document.error("a zip that unpacks to more than 512 MiB")
            if unpacked > SMALL_BYTES and unpacked > MOST_RATIO * len(document.body):
                raise document.error(
                    f"a zip of {len(document.body):,} bytes that unpacks to {unpacked:,}; price lists shrink to a "
                    f"{MOST_RATIO}th at most"
                )
            for member in archive.infolist():
                if member.filename.endswith((".csv", "version")):
                    yield member.filename, archive.read(member).decode("utf-8-sig")
    except (zipfile.BadZipFile, UnicodeDecodeError, EOFError, OSError) as error:
        raise document.error(f"no readable zip: {error}") from error


def _parquet(document: Document) -> Iterator[dict[str, Any]]:
    import pyarrow as pa

    try:
        table = parquet_file(document.body)
        if table.metadata.num_rows > max(SMALL_ROWS, len(document.body)):
            raise document.error(
                f"Parquet of {len(document.body):,} bytes and {table.metadata.num_rows:,} rows"
            )
        for rows in parquet_batches(table):
            yield from rows
    except (pa.ArrowException, OSError) as error:
        raise document.error(f"no readable Parquet: {error}") from error

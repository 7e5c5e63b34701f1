"""The head of a bill that is text: where its columns are named, what parts them, and how its letters are written."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gpuledger.core.actuals.bill_form import check_once, form_of
from gpuledger.core.count import counted
from gpuledger.core.errors import UsageError

START_BYTES = 1 << 18
"""What of a file is looked at; a head is near its beginning."""
LINES = 30
"""Titles and notes before the head are no longer than that."""
GZIP = b"\x1f\x8b"
DELIMITERS = ",;\t|"
_OTHER_KINDS = {
    b"PK\x03\x04": "a ZIP archive or a spreadsheet; give the CSV of it",
    b"PAR1": "Parquet; let its name end in .parquet",
    b"\x28\xb5\x2f\xfd": "packed by zstd; unpack it",
    b"BZh": "packed by bzip2; unpack it",
    b"%PDF": "a PDF; give the CSV of that bill",
    b"\xfe\xff": "UTF-16 with its bytes the other way round; save it as UTF-8",
}


@dataclass(frozen=True, kw_only=True)
class CsvHead:
    """How the rows below are read."""

    columns: tuple[str, ...]
    """Each once, as the file names it; a second of a name has its place in brackets."""
    delimiter: str
    lines: int
    """Up to the head and with it."""
    encoding: str
    is_gzip: bool

    @property
    def has_decimal_commas(self) -> bool:
        """Where semicolons part the values, a comma may part decimals, so that `1,234` could be misread."""
        return self.delimiter == ";"


def parse(start: bytes, origin: str) -> CsvHead:
    """The head in the first bytes of a file: the first line whose columns are those of a form.

    Raises:
        UsageError: no text, or no line with the columns of a bill.
    """
    is_gzip = start.startswith(GZIP)
    if is_gzip:
        start = _unpacked(start, origin)
    for magic, words in _OTHER_KINDS.items():
        if start.startswith(magic):
            raise UsageError(f"{origin}: is {words}")
    encoding, text = _decoded(start, origin)
    lines = re.split(r"\r\n|\n|\r", text, maxsplit=LINES)[:LINES]
    if not any(line.strip() for line in lines):
        raise UsageError(f"{origin}: is empty")
    for number, line in enumerate(lines, start=1):
        for delimiter in DELIMITERS:
            columns = _columns(line, delimiter)
            try:
                form = form_of(columns, origin)
            except UsageError:
                continue
            check_once(form, columns, origin)
            return CsvHead(
                columns=tuple(_once_each(columns)),
                delimiter=delimiter,
                lines=number,
                encoding=encoding,
                is_gzip=is_gzip,
            )
    widest = max((_columns(lines[0], delimiter) for delimiter in DELIMITERS), key=len)
    form_of(widest, origin)
    raise UsageError(f"{origin}: none of its first {LINES} lines names the columns of a bill")


def _unpacked(start: bytes, origin: str) -> bytes:
    try:
        # what is missing at the end of the part that was read is no fault of the file
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(start, START_BYTES)
    except (zlib.error, gzip.BadGzipFile) as error:
        raise UsageError(f"{origin}: begins like gzip and cannot be unpacked") from error


def _decoded(start: bytes, origin: str) -> tuple[str, str]:
    if start.startswith(b"\xff\xfe"):
        return "utf-16", start[: len(start) // 2 * 2].decode("utf-16", "replace")
    if b"\0" in start[:1000]:
        raise UsageError(f"{origin}: is no text in UTF-8 (it has bytes of 0); save it as UTF-8")
    try:
        return "utf-8", start.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if len(start) - error.start < 4:
            return "utf-8", start[: error.start].decode("utf-8-sig")
        line = start.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"{origin}: line {line} is no UTF-8 (byte {start[error.start]:#04x}); save it as UTF-8"
        ) from error


def _columns(line: str, delimiter: str) -> list[str]:
    try:
        return [name.strip() for name in next(csv.reader([line or "\n"], delimiter=delimiter))]
    except csv.Error:
        return []


def _once_each(columns: list[str]) -> Iterator[str]:
    seen: set[str] = set()
    for place, name in enumerate(columns, start=1):
        is_new = name and name.lower() not in seen
        yield name if is_new else f"{name} ({place})"
        seen.add(name.lower())


def row_error(words: str) -> str | None:
    """What is wrong with a row, of the words in which DuckDB says it; `None` where they are of something else."""
    meanings: Mapping[str, str] = {
        "not utf-8 encoded": "is no UTF-8; save the bill as UTF-8",
        "unterminated quote": "has a quote that does not end",
        "Maximum line size": "is longer than 2 MB",
        "state machine": "",
    }
    line = words.partition("CSV Error on Line: ")[2].partition("\n")[0].strip()
    expected = words.partition("Expected Number of Columns: ")[2].partition("\n")[0]
    if "Found: " in expected:
        columns, _, values = expected.partition(" Found: ")
        return f"line {line} has {counted(int(values), 'value')}, the head names {counted(int(columns), 'column')}"
    for sign, meaning in meanings.items():
        if sign in words:
            return (
                f"line {line} {meaning}" if line and meaning else "ends its lines in two ways, or is cut off"
            )
    return None

"""The files of one bill as one relation of text, whichever kind they are."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from gpuledger.core.actuals import csv_head, json_bill
from gpuledger.core.actuals.bill_form import BillForm, check_once, form_of, places
from gpuledger.core.actuals.csv_head import CsvHead
from gpuledger.core.errors import UsageError
from gpuledger.core.store import sql

KINDS = {"csv": (".csv", ".tsv"), "json": (".json", ".jsonl"), "parquet": (".parquet",)}
PACKED = ".gz"
ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".json", ".json.gz", ".jsonl", ".jsonl.gz")


def bill_files(path: Path) -> list[Path]:
    """The files of one bill: the file itself, or all of a folder that bills can be in.

    Raises:
        UsageError: nothing there, or of a kind that cannot be read.
    """
    paths = (
        sorted(p for p in path.rglob("*") if p.name.lower().endswith(ENDINGS)) if path.is_dir() else [path]
    )
    if not paths or not all(p.is_file() for p in paths):
        raise UsageError(f"FILE: {path} is not there, or a folder without a bill in it")
    odd = [p for p in paths if not p.name.lower().endswith(ENDINGS)]
    if odd:
        raise UsageError(f"FILE: {odd[0]}: a bill is one of {' '.join(ENDINGS)}")
    kinds = {_kind(p) for p in paths}
    if len(kinds) > 1:
        raise UsageError(f"FILE: {path} holds {' and '.join(sorted(kinds))}; give one kind at a time")
    return paths


def _kind(path: Path) -> str:
    name = path.name.lower().removesuffix(PACKED)
    return next(kind for kind, suffixes in KINDS.items() if name.endswith(suffixes))


def read_bill(connection: duckdb.DuckDBPyConnection, files: Sequence[Path], origin: str) -> BillForm:
    """A relation `bill` that has every column of the form as text.

    Raises:
        UsageError: the form is not known, or a row is no row; says which.
    """
    kind = _kind(files[0])
    connection.execute("set variable decimal_commas = false")
    if kind == "json":
        rows = [row for file in files for row in json_bill.parse(file.read_bytes(), str(file))]
        columns = list(dict.fromkeys(name for row in rows for name in row))
        # DuckDB gives a second name to one of two that differ in case alone
        check_once(form_of(columns, origin), columns, origin)
        _columns_view(connection, columns, rows)
    elif kind == "parquet":
        listed = ", ".join(sql.literal(str(file)) for file in files)
        connection.execute(
            f"create temp view raw as select * from read_parquet([{listed}], union_by_name = true)"
        )
    else:
        _text_files(connection, files)
    described = connection.execute("describe raw").fetchall()
    kinds = {str(name): str(type_) for name, type_, *_ in described}
    form = form_of(kinds, origin)
    check_once(form, kinds, origin)
    selected = ", ".join(
        f'{_as_text(column, kinds)} as "{_snake(name)}"' for name, column in places(form, kinds).items()
    )
    try:
        # read once, and what is read of the form alone: reports have hundreds of columns
        connection.execute(f"create temp table bill as select {selected} from raw")
    except duckdb.Error as error:
        reason = csv_head.row_error(str(error)) if kind == "csv" else None
        if reason is None:
            raise
        name = re.search(r"^\s*file = (.*)$", str(error), re.MULTILINE)
        raise UsageError(f"{name[1].strip() if name else origin}: {reason}") from error
    connection.execute("drop view if exists raw")
    return form


def _text_files(connection: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> None:
    alike: dict[CsvHead, list[Path]] = {}
    for file in files:
        with file.open("rb") as opened:
            start = opened.read(csv_head.START_BYTES)
        if start.startswith(csv_head.GZIP):
            _check_whole(file)
        head = csv_head.parse(start, str(file))
        alike.setdefault(head, []).append(file)
    if any(head.has_decimal_commas for head in alike):
        connection.execute("set variable decimal_commas = true")
    connection.execute("create temp view raw as " + " union all by name ".join(_readers(alike)))


def _check_whole(file: Path) -> None:
    """DuckDB reads what there is of a packed file that was cut off, or whose bytes are others."""
    try:
        with gzip.open(file) as opened:
            while opened.read(1 << 20):
                pass
    except (EOFError, OSError, zlib.error) as error:
        raise UsageError(f"{file}: is cut off or damaged, and cannot be unpacked: {error}") from error


def _readers(alike: Mapping[CsvHead, Sequence[Path]]) -> Iterator[str]:
    for head, files in alike.items():
        listed = ", ".join(sql.literal(str(file)) for file in files)
        columns = ", ".join(f"{sql.literal(name)}: 'VARCHAR'" for name in head.columns)
        yield (
            f"(select * from read_csv([{listed}], auto_detect = false, columns = {{{columns}}},"
            f" delim = {sql.literal(head.delimiter)}, quote = '\"', escape = '\"', header = false,"
            f" skip = {head.lines}, encoding = {sql.literal(head.encoding)},"
            f" compression = {sql.literal('gzip' if head.is_gzip else 'none')}))"
        )


def _as_text(column: str | None, kinds: Mapping[str, str]) -> str:
    if column is None:
        return "null::varchar"
    quoted = '"' + column.replace('"', '""') + '"'
    if re.match(r"(STRUCT|MAP)|.*\[\]$", kinds[column]):
        return f"to_json({quoted})::varchar"
    return f"nullif(nullif({quoted}::varchar, ''), 'NULL')"


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _columns_view(
    connection: duckdb.DuckDBPyConnection, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> None:
    """`raw` from rows of text, as whole columns at once."""
    quoted = ['"' + name.replace('"', '""') + '"' for name in columns]
    unnested = ", ".join(f"unnest(${n}::varchar[]) as {name}" for n, name in enumerate(quoted, start=1))
    connection.execute(
        f"create temp table records as select {unnested}",
        [[row.get(name) for row in rows] for name in columns],
    )
    connection.execute("create temp view raw as select * from records")

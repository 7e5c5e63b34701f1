# pyarrow ships no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingTypeStubs=false
"""Parquet files read on the thread that asks for them.

Arrow's own threads may let go of a Python object when the interpreter has already ended, which hangs or aborts the
process after its work is done (apache/arrow issues 34314 and 50482). So nothing is read ahead, and no thread helps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


def parquet_file(source: bytes | Path) -> pq.ParquetFile:
    """A file, of which only the footer is read yet.

    Raises:
        pyarrow.ArrowException: no Parquet.
        OSError: the disk refused.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pq.ParquetFile(pa.BufferReader(source) if isinstance(source, bytes) else source, pre_buffer=False)


def parquet_table(source: bytes | Path, columns: Sequence[str] | None = None) -> pa.Table:
    """All rows, of some columns or of all. Raises as `parquet_file`."""
    return parquet_file(source).read(columns=columns, use_threads=False)


def parquet_batches(
    file: pq.ParquetFile, columns: Sequence[str] | None = None, rows: int = 20_000
) -> Iterator[list[dict[str, Any]]]:
    """The rows in order, at most `rows` at a time. Raises as `parquet_file`."""
    for batch in file.iter_batches(batch_size=rows, columns=columns, use_threads=False):
        yield batch.to_pylist()


def parquet_metadata(source: bytes | Path) -> Mapping[str, str]:
    """What the writer put beside the schema. Raises as `parquet_file`."""
    metadata = parquet_file(source).schema_arrow.metadata or {}
    return {key.decode(): value.decode() for key, value in metadata.items()}

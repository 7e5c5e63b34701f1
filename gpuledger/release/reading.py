# pyarrow ships no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingTypeStubs=false
"""Where a release is read from: a folder, or an address. Nothing of it is parsed before its digest was compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from gpuledger.core.count import counted
from gpuledger.core.errors import CorruptError, UnreachableError
from gpuledger.core.parquet import parquet_file
from gpuledger.release.layout import MANIFEST, File, ReleaseManifest, digest, read_manifest

if TYPE_CHECKING:
    import pyarrow as pa

MOST_MANIFEST_BYTES = 16 * 2**20
Get = Callable[[str, int], bytes]
"""Bytes of a file of the release, at most so many; `FileNotFoundError` where there is none."""


def is_address(place: str) -> bool:
    """Whether a release is named by an address and not by a folder."""
    return urlsplit(place).scheme in {"http", "https"}


def opened(place: str) -> Get:
    """How to read a release's files."""
    return _from_address(place.rstrip("/") + "/") if is_address(place) else _from_folder(Path(place))


def _refuse_outside(path: str, place: object) -> None:
    """Only plain paths below a release are read: `fetch` writes to the same paths, and `/x` or `a/../../x` may be an
    address of the release all the same."""
    if any(part in ("", ".", "..") or len(part) > 255 or not part.isprintable() for part in path.split("/")):
        raise CorruptError(f"{path!r} lies outside {place}")


def _from_folder(folder: Path) -> Get:
    root = folder.resolve()

    def get(path: str, most: int) -> bytes:
        _refuse_outside(path, folder)
        file = (root / path).resolve()
        if not file.is_relative_to(root):
            raise CorruptError(f"{path!r} lies outside {folder}")
        try:
            if file.is_dir():
                raise FileNotFoundError(file)
            if file.stat().st_size > most:
                raise CorruptError(f"{path} has {file.stat().st_size} bytes, {most} expected")
            return file.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(file) from None
        except OSError as error:
            raise UnreachableError(f"cannot read {file}: {error.strerror}") from error

    return get


def _from_address(base: str) -> Get:
    import httpx

    # made once: to load the certificates takes longer than to read most files
    context = httpx.create_ssl_context()

    def get(path: str, most: int) -> bytes:
        _refuse_outside(path, base)
        address = urljoin(base, path)
        if not address.startswith(base):
            raise CorruptError(f"{path!r} lies outside {base}")
        body = bytearray()
        try:
            with httpx.stream("GET", address, timeout=60, follow_redirects=True, verify=context) as answer:
                if answer.status_code == 404:
                    raise FileNotFoundError(address)
                if answer.status_code != 200:
                    raise UnreachableError(f"{address} answers with status {answer.status_code}")
                for part in answer.iter_bytes():
                    body += part
                    if len(body) > most:
                        raise CorruptError(f"{address} is larger than the {most} bytes of its manifest")
        except httpx.HTTPError as error:
            raise UnreachableError(f"cannot read {address}: {error or type(error).__name__}") from error
        return bytes(body)

    return get


def manifest_of(get: Get, place: str) -> tuple[ReleaseManifest, bytes]:
    """The manifest and its bytes.

    Raises:
        CorruptError: there is none.
    """
    try:
        body = get(MANIFEST, MOST_MANIFEST_BYTES)
    except FileNotFoundError:
        raise CorruptError(f"{place} has no {MANIFEST}: no release is there") from None
    return read_manifest(body, place), body


def fault_of(get: Get, file: File) -> tuple[bytes | None, str | None]:
    """The bytes of a file as the manifest has them, or what is wrong with them."""
    try:
        body = get(file.path, file.bytes)
    except FileNotFoundError:
        return None, f"{file.path} is missing"
    except CorruptError as error:
        return None, str(error)
    if len(body) != file.bytes:
        return None, f"{file.path} has {counted(len(body), 'byte')}, {file.bytes} expected: it was cut off"
    if digest(body) != file.sha256:
        return None, f"{file.path} has other bytes than its digest in {MANIFEST}"
    return body, None


def table_of(body: bytes, path: str, columns: Mapping[str, str]) -> pa.Table:
    """Some columns of a Parquet file of a release.

    Args:
        columns: name and Arrow type of each.

    Raises:
        CorruptError: no Parquet, or a column is missing or of another type.
    """
    import pyarrow as pa

    try:
        file = parquet_file(body)
        held = {field.name: str(field.type) for field in file.schema_arrow}
        for name, kind in columns.items():
            if held.get(name) != kind:
                raise CorruptError(f"{path}: column {name} is {held.get(name, 'missing')}, {kind} expected")
        return file.read(columns=list(columns), use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise CorruptError(f"{path} is no Parquet file: {str(error).splitlines()[0]}") from error


def rows_fault(body: bytes, file: File) -> str | None:
    """What is wrong with the count of rows of a Parquet file of a release."""
    import pyarrow as pa

    try:
        rows = parquet_file(body).metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        return f"{file.path} is no Parquet file: {str(error).splitlines()[0]}"
    return None if rows == file.rows else f"{file.path} has {counted(rows, 'row')}, {file.rows} expected"

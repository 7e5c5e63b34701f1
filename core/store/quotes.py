"""Small files of the home that people come back to: quotes by their id."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpuledger.core.errors import CorruptError, NoOfferError, StoreError, UsageError
from gpuledger.core.store.database import Home

_ID = re.compile(r"^[0-9a-f]{16}$")


def write_whole(path: Path, content: bytes) -> None:
    """All of it or nothing: a temporary file in the same folder, then renamed.

    Raises:
        StoreError: the disk refused.
    """
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise StoreError(f"cannot write {path}: {error.strerror}") from error


def keep_quote(home: Home, quote_id: str, content: Mapping[str, Any]) -> None:
    """Keep a quote, so that it can be explained later. The same id holds the same dollars, so the first
    stays.

    Raises:
        StoreError: the disk refused.
    """
    path = _path(home, quote_id)
    if not path.exists():
        write_whole(path, json.dumps(content, indent=1).encode())


def kept_quote(home: Home, quote_id: str) -> dict[str, Any]:
    """A quote kept earlier.

    Raises:
        UsageError: not the form of an id.
        NoOfferError: no such quote was kept here.
        CorruptError: the file cannot be read.
    """
    if not _ID.match(quote_id):
        raise UsageError(f"QUOTE_ID: {quote_id!r} is not 16 hex digits, as in 7a4e9db9fb1d84fd")
    path = _path(home, quote_id)
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise NoOfferError(f"no quote {quote_id} was made in {home.path}") from None
    except (OSError, ValueError) as error:
        raise CorruptError(f"{path} is not a quote: {error}") from error


def _path(home: Home, quote_id: str) -> Path:
    return home.path / "quotes" / f"{quote_id}.json"

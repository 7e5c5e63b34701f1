"""Quotes by their id, so that each can be explained later."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpuledger.core.errors import CorruptError, NoOfferError, UsageError
from gpuledger.core.files import write_whole
from gpuledger.core.store.home import Home

_ID = re.compile(r"^[0-9a-f]{16}$")


def save_quote(home: Home, quote_id: str, content: Mapping[str, Any]) -> None:
    """Save a quote. The same id holds the same dollars, so the first stays.

    Raises:
        StoreError: the disk refused.
    """
    path = _path(home, quote_id)
    if not path.exists():
        write_whole(path, json.dumps(content, indent=1).encode(), is_durable=False)


def saved_quote(home: Home, quote_id: str) -> dict[str, Any]:
    """A quote saved earlier.

    Raises:
        UsageError: not the form of an id.
        NoOfferError: no such quote was saved here.
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

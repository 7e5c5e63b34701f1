"""Cursors: where a page ended, on which snapshot, of which question. Opaque to callers."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import cast

from gpuledger.core.errors import UsageError

MOST = 10**9


@dataclass(frozen=True)
class Cursor:
    """The next page of one question on one snapshot."""

    snapshot: int
    skip_rows: int
    question: str

    def text(self) -> str:
        """The cursor as it appears in an address."""
        packed = json.dumps([self.snapshot, self.skip_rows, self.question], separators=(",", ":"))
        return base64.urlsafe_b64encode(packed.encode()).decode().rstrip("=")


def fingerprint(question: object) -> str:
    """Eight digits that differ when the question does; a cursor of one must not page through another."""
    return hashlib.blake2b(repr(question).encode(), digest_size=4).hexdigest()


def read_cursor(text: str, question: str) -> Cursor:
    """The cursor in an address.

    Raises:
        UsageError: not one of ours, or of another question.
    """
    try:
        unpacked: object = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        unpacked = None
    parts = cast("list[object]", unpacked) if isinstance(unpacked, list) else []
    match parts:
        case [int(snapshot), int(skip_rows), str(parameters)] if (
            0 < snapshot < MOST and 0 <= skip_rows < MOST
        ):
            if parameters != question:
                raise UsageError("cursor: belongs to another question; send the same filters with it")
            return Cursor(snapshot, skip_rows, parameters)
        case _:
            raise UsageError(f"cursor: {text[:40]!r} is none of ours")

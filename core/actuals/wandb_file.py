"""The file that W&B keeps of a run on the machine, `run-<id>.wandb`. Only its history is read.

A head of 7 bytes, then records in blocks of 32 KiB as LevelDB's log has them: 4 bytes of CRC-32 of kind and content, 2
of length, 1 of kind (1 whole, 2 first, 3 middle, 4 last), the content. A content is a `Record` of protocol buffers:
2 history; of `HistoryRecord`: 1 item, 2 step; of an item: 1 key, 2 nested key, 16 value as JSON (wandb 0.31.0,
wandb_internal.proto and a run that it wrote offline, read 2026-11-30).
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from gpuledger.core.actuals.protobuf import message_fields

MAGIC = b":W&B"
_HEAD, _BLOCK, _RECORD = 7, 32_768, 7
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


def is_wandb_file(document: bytes) -> bool:
    """Whether it begins as such a file does."""
    return document.startswith(MAGIC)


def rows(document: bytes) -> Iterator[dict[str, Any]]:
    """One row per record of history, nested keys joined by dots; a record that was cut off, or is not what its
    checksum says, ends it."""
    for content in _records(document):
        for number, history in message_fields(content):
            if number == 2 and isinstance(history, bytes):
                yield _row(history)


def _row(history: bytes) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for number, item in message_fields(history):
        if number == 2 and isinstance(item, bytes):
            row.setdefault("_step", dict(message_fields(item)).get(1))
        if number != 1 or not isinstance(item, bytes):
            continue
        parts: list[str] = []
        value: Any = None
        for inner, content in message_fields(item):
            if inner in (1, 2) and isinstance(content, bytes):
                parts.append(content.decode("utf-8", "replace"))
            if inner == 16 and isinstance(content, bytes):
                value = _json(content)
        row[".".join(parts)] = value
    return row


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _records(document: bytes) -> Iterator[bytes]:
    at, parts = _HEAD, b""
    while True:
        left = _BLOCK - at % _BLOCK
        if left < _RECORD:
            at += left
        if at + _RECORD > len(document):
            return
        checksum, length, kind = struct.unpack_from("<IHB", document, at)
        content = document[at + _RECORD : at + _RECORD + length]
        at += _RECORD + length
        if len(content) < length or zlib.crc32(content, zlib.crc32(bytes([kind]))) != checksum:
            return
        parts = content if kind in (_WHOLE, _FIRST) else parts + content
        if kind in (_WHOLE, _LAST):
            yield parts

"""The wire format of protocol buffers, read without a schema (https://protobuf.dev/programming-guides/encoding)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

_SIZES = {1: 8, 5: 4}


def message_fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Numbers of fields and their values: whole numbers, doubles, floats, or bytes; what cannot be read ends it."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if at + _SIZES.get(kind, 0) > len(message):
            return
        if kind == 0:
            value, at = _varint(message, at)
            yield number, value
        elif kind == 1:
            yield number, struct.unpack_from("<d", message, at)[0]
            at += 8
        elif kind == 5:
            yield number, struct.unpack_from("<f", message, at)[0]
            at += 4
        elif kind == 2:
            length, at = _varint(message, at)
            yield number, message[at : at + length]
            at += length
        else:
            return


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message):
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return value, at

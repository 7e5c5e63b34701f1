"""TensorBoard's event files: records of TFRecord that hold `Event` messages of protocol buffers. Only scalars are read.

A record is a length of 8 bytes, 4 bytes of checksum, the message, 4 bytes of checksum (lib/io/record_writer).
Of `Event`: 1 wall_time double, 2 step int64, 5 summary; of `Summary.Value`: 1 tag, 2 simple_value float, 8 tensor; of
`TensorProto`: 4 tensor_content, 5 float_val (tensorflow/core/util/event.proto and framework/*.proto).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any


def is_event_file(document: bytes) -> bool:
    """Whether the first record is the version that every such file begins with."""
    return b"brain.Event:" in document[:100]


def rows(document: bytes) -> Iterator[dict[str, Any]]:
    """One row per step with its scalars by tag, and `step` and `wall_time`; a record that was cut off ends it."""
    current: dict[str, Any] = {}
    for message in _records(document):
        fields = dict(_fields(message))
        step, summary = fields.get(2, 0), fields.get(5, b"")
        if not isinstance(step, int) or not isinstance(summary, bytes):
            continue
        tags = dict(_scalars(summary))
        if not tags:
            continue
        if current and current["step"] != step:
            yield current
            current = {}
        current.update(tags, step=step, wall_time=fields.get(1))
    if current:
        yield current


def _records(document: bytes) -> Iterator[bytes]:
    at = 0
    while at + 12 <= len(document):
        (length,) = struct.unpack_from("<Q", document, at)
        message = document[at + 12 : at + 12 + length]
        if len(message) < length:
            return
        yield message
        at += 16 + length


def _scalars(summary: bytes) -> Iterator[tuple[str, float]]:
    for number, value in _fields(summary):
        if number != 1 or not isinstance(value, bytes):
            continue
        inside = dict(_fields(value))
        scalar = inside.get(2)
        if scalar is None and isinstance(inside.get(8), bytes):
            tensor = dict(_fields(inside[8]))
            content = tensor.get(4) or tensor.get(5)
            if isinstance(content, bytes) and len(content) == 4:
                (scalar,) = struct.unpack("<f", content)
        if isinstance(scalar, float) and isinstance(inside.get(1), bytes):
            yield inside[1].decode("utf-8", "replace"), scalar


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Numbers of fields and their values; what cannot be read ends it."""
    at = 0
    sizes = {1: 8, 5: 4}
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if at + sizes.get(kind, 0) > len(message):
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

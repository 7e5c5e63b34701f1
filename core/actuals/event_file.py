"""TensorBoard's event files: records of TFRecord that hold `Event` messages of protocol buffers. Only scalars are read.

A record is a length of 8 bytes, 4 bytes of checksum, the message, 4 bytes of checksum (lib/io/record_writer).
Of `Event`: 1 wall_time double, 2 step int64, 5 summary; of `Summary.Value`: 1 tag, 2 simple_value float, 8 tensor; of
`TensorProto`: 4 tensor_content, 5 float_val (tensorflow/core/util/event.proto and framework/*.proto).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from gpuledger.core.actuals.protobuf import message_fields


def is_event_file(document: bytes) -> bool:
    """Whether the first record is the version that every such file begins with."""
    return b"brain.Event:" in document[:100]


def rows(document: bytes) -> Iterator[dict[str, Any]]:
    """One row per step with its scalars by tag, and `step` and `wall_time`; a record that was cut off ends it."""
    current: dict[str, Any] = {}
    for message in _records(document):
        event = dict(message_fields(message))
        step, summary = event.get(2, 0), event.get(5, b"")
        if not isinstance(step, int) or not isinstance(summary, bytes):
            continue
        tags = dict(_scalars(summary))
        if not tags:
            continue
        if current and current["step"] != step:
            yield current
            current = {}
        current.update(tags, step=step, wall_time=event.get(1))
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
    for number, value in message_fields(summary):
        if number != 1 or not isinstance(value, bytes):
            continue
        inside = dict(message_fields(value))
        scalar = inside.get(2)
        if scalar is None and isinstance(inside.get(8), bytes):
            tensor = dict(message_fields(inside[8]))
            content = tensor.get(4) or tensor.get(5)
            if isinstance(content, bytes) and len(content) == 4:
                (scalar,) = struct.unpack("<f", content)
        if isinstance(scalar, float) and isinstance(inside.get(1), bytes):
            yield inside[1].decode("utf-8", "replace"), scalar

"""Reading answers of hundreds of megabytes line by line: what is kept of them while they arrive."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

MAX_LINE_BYTES = 1 << 20
"""No line of a price list is longer; a body without line ends must not fill the memory."""


@dataclass(frozen=True, kw_only=True)
class LineFilter:
    """Which lines of a long answer are worth keeping.

    The first `head_lines` (disclaimers and the header) always are. Of the rest, a line is looked at only if
    it holds one of `needles`, found by a search over raw bytes, and kept if `keep` then says so.
    """

    head_lines: int
    needles: tuple[bytes, ...]
    keep: Callable[[bytes], bool]


def inflated(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks, unpacked if they are gzip that no header declared (seen at AWS, 2026); at most 1 MiB at a
    time, so that a bomb meets the caller's limit and not the memory's.

    Raises:
        ValueError: it begins like gzip and is not.
    """
    unpack = None
    for number, chunk in enumerate(chunks):
        if number == 0 and chunk.startswith(b"\x1f\x8b"):
            unpack = zlib.decompressobj(wbits=31)
        if unpack is None:
            yield chunk
            continue
        rest = chunk
        while rest:
            try:
                yield unpack.decompress(rest, 1 << 20)
            except zlib.error as error:
                raise ValueError(f"not the gzip that it begins like: {error}") from None
            rest = unpack.unconsumed_tail
    if unpack is not None and not unpack.eof:
        raise ValueError("gzip that ends too early")


def filtered_lines(chunks: Iterable[bytes], line_filter: LineFilter) -> Iterator[bytes]:
    """The kept lines, unchanged and in order, as blocks of whole lines. Memory: one chunk and one line.

    Raises:
        ValueError: a line is longer than `MAX_LINE_BYTES`.
    """
    head_left = line_filter.head_lines
    rest = b""
    for chunk in chunks:
        end = chunk.rfind(b"\n") + 1
        if not end:
            rest += chunk
            if len(rest) > MAX_LINE_BYTES:
                raise ValueError(f"a line of more than {MAX_LINE_BYTES} bytes")
            continue
        # The line that began in the last chunk is completed alone, so that no chunk is copied whole.
        first = chunk.find(b"\n") + 1
        joined = rest + chunk[:first]
        rest = chunk[end:]
        if max(len(joined), len(rest)) > MAX_LINE_BYTES:
            raise ValueError(f"a line of more than {MAX_LINE_BYTES} bytes")
        for block, start, stop in ((joined, 0, len(joined)), (chunk, first, end)):
            start, head_left, head = _head(block, start, stop, head_left)
            lines = head + _wanted_lines(block, start, stop, line_filter)
            if lines:
                yield lines
    if rest:
        _, _, head = _head(rest, 0, len(rest), head_left)
        lines = head or _wanted_lines(rest, 0, len(rest), line_filter)
        if lines:
            yield lines


def _head(block: bytes, start: int, stop: int, head_left: int) -> tuple[int, int, bytes]:
    """The head lines in `block[start:stop]`: where they end, how many are still to come, and they."""
    at = start
    while head_left and at < stop:
        at = block.find(b"\n", at, stop) + 1 or stop
        head_left -= 1
    return at, head_left, block[start:at]


def _wanted_lines(block: bytes, start: int, stop: int, line_filter: LineFilter) -> bytes:
    lines: list[bytes] = []
    hits = [block.find(needle, start, stop) for needle in line_filter.needles]
    while (hit := min((at for at in hits if at >= 0), default=-1)) >= 0:
        begin = block.rfind(b"\n", start, hit) + 1 or start
        start = block.find(b"\n", hit, stop) + 1 or stop
        line = block[begin:start]
        if line_filter.keep(line):
            lines.append(line)
        hits = [
            block.find(needle, start, stop) if 0 <= at < start else at
            for needle, at in zip(line_filter.needles, hits, strict=True)
        ]
    return b"".join(lines)

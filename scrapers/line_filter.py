"""Reading answers of hundreds of megabytes line by line: what is kept of them while they arrive."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
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


class Inflating:
    """Unpacks what arrives if it is gzip that no header declared (seen at AWS, 2026); at most 1 MiB at a time, so that
    a bomb meets the caller's limit and not the memory's."""

    def __init__(self) -> None:
        self._is_first, self._unpack = True, None

    def take(self, chunk: bytes) -> Iterator[bytes]:
        """What this chunk unpacks to.

        Raises:
            ValueError: it begins like gzip and is not.
        """
        if self._is_first and chunk.startswith(b"\x1f\x8b"):
            self._unpack = zlib.decompressobj(wbits=31)
        self._is_first = False
        if self._unpack is None:
            yield chunk
            return
        rest = chunk
        while rest:
            try:
                yield self._unpack.decompress(rest, 1 << 20)
            except zlib.error as error:
                raise ValueError(f"not the gzip that it begins like: {error}") from None
            rest = self._unpack.unconsumed_tail

    def end(self) -> None:
        """Nothing more arrives.

        Raises:
            ValueError: the gzip is not whole.
        """
        if self._unpack is not None and not self._unpack.eof:
            raise ValueError("gzip that ends too early")


class Sieve:
    """Keeps lines of what arrives, unchanged and in order, as blocks of whole lines. Memory: one chunk and one line."""

    def __init__(self, line_filter: LineFilter) -> None:
        self._filter, self._head_left, self._rest = line_filter, line_filter.head_lines, b""

    def take(self, chunk: bytes) -> Iterator[bytes]:
        """The kept lines that end in this chunk.

        Raises:
            ValueError: a line is longer than `MAX_LINE_BYTES`.
        """
        end = chunk.rfind(b"\n") + 1
        if not end:
            self._rest += chunk
            _check_length(self._rest)
            return
        # The line that began in the last chunk is completed alone, so that no chunk is copied whole.
        first = chunk.find(b"\n") + 1
        joined = self._rest + chunk[:first]
        self._rest = chunk[end:]
        _check_length(joined, self._rest)
        for block, start, stop in ((joined, 0, len(joined)), (chunk, first, end)):
            start, self._head_left, head = _head(block, start, stop, self._head_left)
            lines = head + _wanted_lines(block, start, stop, self._filter)
            if lines:
                yield lines

    def end(self) -> Iterator[bytes]:
        """The last line, if it is kept and has no end."""
        if self._rest:
            _, _, head = _head(self._rest, 0, len(self._rest), self._head_left)
            lines = head or _wanted_lines(self._rest, 0, len(self._rest), self._filter)
            if lines:
                yield lines


def _check_length(*lines: bytes) -> None:
    if max(map(len, lines)) > MAX_LINE_BYTES:
        raise ValueError(f"a line of more than {MAX_LINE_BYTES} bytes")


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

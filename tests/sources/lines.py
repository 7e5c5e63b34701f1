"""The lines of an answer that a filter leaves, as tests read them."""

from collections.abc import Iterable, Iterator

from gpuledger.scrapers.line_filter import LineFilter, Sieve


def filtered_lines(chunks: Iterable[bytes], line_filter: LineFilter) -> Iterator[bytes]:
    """The kept lines of all the chunks, see `Sieve`.

    Raises:
        ValueError: a line is longer than `MAX_LINE_BYTES`.
    """
    sieve = Sieve(line_filter)
    for chunk in chunks:
        yield from sieve.take(chunk)
    yield from sieve.end()

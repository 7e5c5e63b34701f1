"""The line filter, on every way a body can be cut into chunks."""

import pytest

from gpuledger.scrapers.line_filter import MAX_LINE_BYTES, LineFilter
from tests.sources.lines import filtered_lines

FILTER = LineFilter(head_lines=2, needles=(b"gpu", b"asic"), keep=lambda line: b"Linux" in line)
BODY = b"version\nheader\ngpu,Linux,1\ncpu,Linux,2\ngpu,Windows,3\nasic,Linux,4\nasic,gpu,Linux,5\n"
KEPT = b"version\nheader\ngpu,Linux,1\nasic,Linux,4\nasic,gpu,Linux,5\n"


@pytest.mark.parametrize("length", range(1, len(BODY) + 1))
def test_chunks_of_any_length_give_the_same_lines(length: int):
    chunks = [BODY[at : at + length] for at in range(0, len(BODY), length)]
    assert b"".join(filtered_lines(chunks, FILTER)) == KEPT


@pytest.mark.parametrize("length", [1, 7, 1000])
def test_a_last_line_without_its_end_counts(length: int):
    body = BODY + b"gpu,Linux,6"
    chunks = [body[at : at + length] for at in range(0, len(body), length)]
    assert b"".join(filtered_lines(chunks, FILTER)) == KEPT + b"gpu,Linux,6"


def test_line_ends_of_windows_stay():
    body = BODY.replace(b"\n", b"\r\n")
    assert b"".join(filtered_lines([body], FILTER)) == KEPT.replace(b"\n", b"\r\n")


def test_a_body_shorter_than_its_head_is_kept():
    assert b"".join(filtered_lines([b"version"], FILTER)) == b"version"
    assert not list(filtered_lines([], FILTER))


@pytest.mark.parametrize(
    "chunks", [[b"x" * (MAX_LINE_BYTES + 2)], [b"x" * 1000] * 1200, [b"x\n", b"y" * 2_000_000 + b"\n"]]
)
def test_a_line_without_end_does_not_fill_the_memory(chunks: list[bytes]):
    with pytest.raises(ValueError, match="a line of more than"):
        list(filtered_lines(chunks, FILTER))

"""Bytes with their provenance, and how they are read."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from gpuledger.core.document import Document, Request
from gpuledger.core.errors import ParseError

AT = datetime(2026, 10, 7, tzinfo=UTC)
URL = "https://prices.example/list"


def document(body: bytes) -> Document:
    return Document(
        source="runpod", request=Request(url=URL, context={"region": "eu"}), body=body, fetched_at=AT
    )


def test_the_name_of_the_bytes_is_their_sha256():
    assert document(b"abc").sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_context_is_that_of_the_request():
    assert document(b"").context == {"region": "eu"}


def test_a_byte_order_mark_is_no_text():
    assert document(b"\xef\xbb\xbf[1]").json() == [1]


def test_money_in_json_never_passes_a_float():
    value = document(b'{"usd": 0.1, "big": 2.674999999999999999999, "count": 8}').json()
    assert value["usd"] == Decimal("0.1")
    assert str(value["big"]) == "2.674999999999999999999"
    assert isinstance(value["count"], int)


UNREADABLE = {
    "no bytes": (b"", "not JSON"),
    "truncated": (b'{"offers": [1, 2', "not JSON"),
    "HTML": (b"<html>Maintenance</html>", "<html>Maintenance"),
    "NaN": (b'{"usd": NaN}', "NaN is not JSON"),
    "Infinity": (b"[-Infinity]", "-Infinity is not JSON"),
    "two values": (b"{} {}", "not JSON"),
    "Latin-1": ("Gebühr".encode("latin-1"), "not UTF-8 at byte 3"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
    "too deep": (b"[" * 100_000, "nested too deeply"),
    "digits without end": (b"9" * 5000, "not JSON"),
}


@pytest.mark.parametrize("why", UNREADABLE)
def test_what_is_no_json_names_source_address_and_what_was_seen(why: str):
    body, seen = UNREADABLE[why]
    with pytest.raises(ParseError) as caught:
        document(body).json()
    assert seen in str(caught.value)
    assert str(caught.value).startswith("runpod: ")
    assert str(caught.value).endswith(f"({URL})")


def test_a_message_shows_only_the_beginning_of_the_bytes():
    with pytest.raises(ParseError) as caught:
        document(b"<" + b"x" * 10_000).json()
    assert len(str(caught.value)) < 300


def test_the_bytes_are_not_in_the_repr():
    assert "secret" not in repr(document(b"secret"))

"""Fetching from a real server on loopback: patience, fallbacks, overrides, what is known."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gpuledger.core.document import Document, Request
from gpuledger.core.errors import RefusedFetchError, TransientFetchError
from gpuledger.scrapers.http.attempt import FormerAnswer, retry_after
from tests.pipeline.asking import AT, HOST, Asker, Reply, source


@pytest.fixture(params=["thread", "loop"])
def ask(request: pytest.FixtureRequest, provider: Any) -> Iterator[Asker]:
    with httpx.Client(trust_env=False, verify=False) as client:
        yield Asker(client, provider, is_on_a_loop=request.param == "loop")


def test_an_answer_comes_with_its_provenance(ask: Asker):
    headers = {
        "content-type": "application/json",
        "etag": '"one"',
        "last-modified": "Wed, 07 Oct 2026 10:00:00 GMT",
    }
    ask.answers(Reply(body=b'{"a": 1}', headers=headers))
    (document,) = ask().documents
    assert document == Document(
        source="runpod",
        request=Request(url=f"{HOST}/list"),
        body=b'{"a": 1}',
        fetched_at=AT,
        content_type="application/json",
        etag='"one"',
        last_modified="Wed, 07 Oct 2026 10:00:00 GMT",
    )
    assert ask.kept == [document]


def test_we_say_who_we_are(ask: Asker):
    ask.answers(Reply())
    ask()
    assert ask.provider.seen[0].headers["User-Agent"].startswith("gpuledger/")


def test_a_post_carries_its_json(ask: Asker):
    ask.answers(Reply())
    ask(source(Request(url=f"{HOST}/graphql", method="POST", payload={"query": "{ gpuTypes }"})))
    (seen,) = ask.provider.seen
    assert (seen.method, seen.body) == ("POST", b'{"query":"{ gpuTypes }"}')


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520, 524])
def test_a_passing_failure_is_tried_again(ask: Asker, status: int):
    ask.answers(Reply(status), Reply(body=b"[1]"))
    assert ask().documents[0].body == b"[1]"
    assert len(ask.paths) == 2


def test_the_tries_are_counted(ask: Asker):
    ask.answers(Reply(503))
    with pytest.raises(TransientFetchError, match=r"runpod: HTTP 503 \(https://prices\.example/list\)"):
        ask()
    assert len(ask.paths) == 3
    assert ask.kept == []


@pytest.mark.parametrize("status", [201, 204, 206, 304, 400, 401, 403, 404, 410, 451, 501])
def test_any_other_answer_is_final(ask: Asker, status: int):
    ask.answers(Reply(status))
    with pytest.raises(RefusedFetchError, match=f"HTTP {status}"):
        ask()
    assert len(ask.paths) == 1


def test_an_answer_that_may_be_missing_is_no_failure(ask: Asker):
    ask.by_path(list=Reply(), gone=Reply(404))
    asked = source(Request(url=f"{HOST}/list"), Request(url=f"{HOST}/gone", may_be_missing=True))
    fetched = ask(asked)
    assert [one.request.url for one in fetched.documents] == [f"{HOST}/list"]
    assert fetched.is_complete


def test_the_provider_says_how_long_to_wait(ask: Asker):
    ask.answers(Reply(429, headers={"retry-after": "1"}), Reply())
    began = time.monotonic()
    ask()
    assert time.monotonic() - began >= 1


def test_a_wait_until_a_past_time_is_none(ask: Asker):
    ask.answers(Reply(503, headers={"retry-after": "Wed, 07 Oct 2026 11:59:00 GMT"}), Reply())
    assert ask().documents


@pytest.mark.parametrize(
    ("text", "seconds"),
    {
        "120": 120.0,
        "Wed, 07 Oct 2026 12:00:30 GMT": 30.0,
        "Wed, 07 Oct 2026 11:00:00 GMT": 0.0,
        "soon": None,
        "": None,
        "-5": None,
        "1.5": None,
    }.items(),
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float | None):
    assert retry_after(text, AT) == seconds


def test_nobody_listening_is_a_passing_failure(ask: Asker):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(TransientFetchError, match="ConnectError"):
        ask(url=f"http://127.0.0.1:{port}")


def test_an_answer_that_is_cut_off_is_never_taken_for_whole(ask: Asker):
    ask.answers(Reply(body=b"[1, 2, 3]" * 100, cut_at=10))
    with pytest.raises(TransientFetchError, match="RemoteProtocolError"):
        ask()
    assert len(ask.paths) == 3
    assert ask.kept == []


def test_an_empty_answer_is_a_failure(ask: Asker):
    ask.answers(Reply(body=b""), Reply(body=b"[]"))
    assert ask().documents[0].body == b"[]"


def test_a_fallback_speaks_when_the_usual_answer_fails_and_is_never_complete(ask: Asker):
    ask.by_path(page=Reply(body=b"<html>"))
    fetched = ask(source(fallback=(Request(url=f"{HOST}/page"),)))
    assert [one.request.url for one in fetched.documents] == [f"{HOST}/page"]
    assert not fetched.is_complete
    assert fetched.notes == ("fallback after: HTTP 404",)


def test_a_fallback_is_not_asked_while_the_usual_answer_comes(ask: Asker):
    ask.answers(Reply())
    assert ask(source(fallback=(Request(url=f"{HOST}/page"),))).is_complete
    assert ask.paths == ["/list"]


def test_when_the_fallback_fails_too_its_failure_is_told(ask: Asker):
    ask.by_path(page=Reply(410))
    with pytest.raises(RefusedFetchError, match=r"HTTP 410 \(https://prices\.example/page\)"):
        ask(source(fallback=(Request(url=f"{HOST}/page"),)))


# Where requests go when an address is set for a source; what is recorded is the source's own.
OVERRIDES: dict[str, tuple[str, list[str]]] = {
    "an origin stands for every request's": ("", ["/list?page=1", "/more"]),
    "a slash is no path": ("/", ["/list?page=1", "/more"]),
    "a path is the first request's": ("/mirror/prices", ["/mirror/prices?page=1", "/more"]),
    "a query is the first request's": ("/mirror?token=x", ["/mirror?token=x", "/more"]),
}


@pytest.mark.parametrize("what", OVERRIDES)
def test_an_address_that_is_set_is_asked_and_the_sources_own_is_recorded(ask: Asker, what: str):
    path, expected = OVERRIDES[what]
    ask.answers(Reply())
    asked = source(Request(url=f"{HOST}/list?page=1"), Request(url="https://other.example/more"))
    fetched = ask(asked, url=ask.provider.url + path)
    assert ask.paths == expected
    assert [one.request.url for one in fetched.documents] == [
        f"{HOST}/list?page=1",
        "https://other.example/more",
    ]


def test_certificates_are_always_checked(ask: Asker):
    with pytest.raises(TransientFetchError, match=r"ConnectError|SSL"):
        ask(url=ask.provider.url.replace("http://", "https://"))


KNOWN = FormerAnswer(body=lambda: b"[1]", etag='"one"', last_modified="Wed, 07 Oct 2026 10:00:00 GMT")


def test_what_is_known_is_asked_for_only_if_it_changed(ask: Asker):
    ask.answers(Reply(304))
    (document,) = ask(former=lambda request: KNOWN).documents
    headers = ask.provider.seen[0].headers
    assert headers["If-None-Match"] == '"one"'
    assert headers["If-Modified-Since"] == "Wed, 07 Oct 2026 10:00:00 GMT"
    assert (document.body, document.etag, document.status) == (b"[1]", '"one"', 304)


def test_a_changed_answer_replaces_what_is_known(ask: Asker):
    ask.answers(Reply(body=b"[2]", headers={"etag": '"two"'}))
    (document,) = ask(former=lambda request: KNOWN).documents
    assert (document.body, document.etag) == (b"[2]", '"two"')

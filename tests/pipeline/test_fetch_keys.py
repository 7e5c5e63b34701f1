"""Keys travel as declared, to the host that they are for, and are never written."""

import gzip
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import zstandard

from gpuledger.core.config import FetchSettings
from gpuledger.core.document import Credential, Request
from gpuledger.core.errors import MissingCredentialError, RefusedFetchError
from gpuledger.scrapers.http import attempt
from gpuledger.scrapers.http.attempt import secret_variables
from gpuledger.scrapers.http.fetch import Fetcher
from tests.pipeline.asking import AT, HOST, SECRET, Asker, Reply, keyed, source


@pytest.fixture(params=["thread", "loop"])
def ask(request: pytest.FixtureRequest, provider: Any) -> Iterator[Asker]:
    with httpx.Client(trust_env=False, verify=False) as client:
        yield Asker(client, provider, is_on_a_loop=request.param == "loop")


TRAVELS: dict[str, tuple[Request, str, str]] = {
    "bearer": (keyed(), "Authorization", f"Bearer {SECRET}"),
    "header": (keyed(travels_as="header", name="X-Api-Key"), "X-Api-Key", SECRET),
}


@pytest.mark.parametrize("how", TRAVELS)
def test_a_key_travels_as_declared(ask: Asker, how: str):
    request, header, value = TRAVELS[how]
    ask.environ["RUNPOD_API_KEY"] = SECRET
    ask.answers(Reply())
    ask(source(request))
    assert ask.provider.seen[0].headers[header] == value
    assert SECRET not in ask.provider.seen[0].path


def test_a_key_in_the_address_keeps_the_rest_of_it(ask: Asker):
    ask.environ["RUNPOD_API_KEY"] = SECRET
    ask.answers(Reply())
    request = replace(keyed(travels_as="query", name="api_key"), url=f"{HOST}/keyed?sku=a&sku=b")
    (document,) = ask(source(request)).documents
    assert ask.paths == ["/keyed?sku=a&sku=b&api_key=sk-live%2F7390415826%2Babc"]
    assert document.request.url == f"{HOST}/keyed?sku=a&sku=b"


@pytest.mark.parametrize("how", ["bearer", "header", "query"])
def test_a_key_never_goes_to_another_host(how: Any, monkeypatch: pytest.MonkeyPatch):
    """A site's own redirect is followed, without the key. The hosts stand in for real names."""
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if request.url.host == "prices.example":
            return httpx.Response(302, headers={"location": "https://cdn.prices.example/list?a=1"})
        return httpx.Response(200, stream=httpx.ByteStream(b"[]"))

    asked = source(keyed(travels_as=how, name="api_key"))
    with httpx.Client(transport=httpx.MockTransport(handle)) as client:
        fetcher = Fetcher(
            client=client,
            settings=FetchSettings(attempts=1),
            environ={"RUNPOD_API_KEY": SECRET},
            clock=lambda: AT,
            secrets=secret_variables([asked]),
        )
        monkeypatch.setattr(attempt, "same_site", lambda target, origin: True)
        fetcher.fetch(asked, keep=lambda document: None)
    first, second = (f"{request.url} {request.headers}" for request in seen)
    assert "api_key" in first or "authorization" in first
    assert str(seen[1].url) == "https://cdn.prices.example/list?a=1"
    assert "7390415826" not in second


def test_a_source_without_its_key_is_skipped_and_the_variable_named(ask: Asker):
    ask.environ["RUNPOD_API_KEY"] = ""
    with pytest.raises(MissingCredentialError, match="runpod: no credential; set RUNPOD_API_KEY"):
        ask(source(keyed()))
    assert ask.paths == []


def test_without_the_key_the_keyless_requests_are_the_whole_run(ask: Asker):
    ask.answers(Reply())
    fetched = ask(source(Request(url=f"{HOST}/list"), keyed()))
    assert ask.paths == ["/list"]
    assert fetched.is_complete
    assert fetched.notes == (f"RUNPOD_API_KEY is not set: {HOST}/keyed left out",)


def test_a_key_that_is_refused_spoils_nothing_and_absence_is_no_evidence(ask: Asker):
    ask.environ["RUNPOD_API_KEY"] = SECRET
    ask.by_path(list=Reply(body=b"[1]"), keyed=Reply(401))
    fetched = ask(source(Request(url=f"{HOST}/list"), keyed()))
    assert [one.body for one in fetched.documents] == [b"[1]"]
    assert not fetched.is_complete
    assert fetched.notes == ("RUNPOD_API_KEY did not help: HTTP 401",)


def test_where_every_request_is_keyed_a_refusal_is_a_failure(ask: Asker):
    ask.environ["RUNPOD_API_KEY"] = SECRET
    ask.answers(Reply(401))
    with pytest.raises(RefusedFetchError, match="HTTP 401"):
        ask(source(keyed()))


ECHOES: dict[str, Reply] = {
    "in the body": Reply(body=f'{{"you sent": "{SECRET}"}}'.encode()),
    "in the address": Reply(body=b'{"self": "/list?key=sk-live%2F7390415826%2Babc"}'),
    "as base64": Reply(body=b'{"auth": "c2stbGl2ZS83MzkwNDE1ODI2K2FiYw=="}'),
    "in packed bytes": Reply(body=gzip.compress(SECRET.encode()), headers={"content-encoding": "gzip"}),
    "in the headers": Reply(headers={"etag": SECRET, "content-type": SECRET, "last-modified": SECRET}),
    "in a redirect": Reply(302, headers={"location": f"https://evil.example/{SECRET}?key={SECRET}"}),
    "in an encoding": Reply(headers={"content-encoding": SECRET}),
}


@pytest.mark.parametrize("where", ECHOES)
def test_a_key_that_is_sent_back_is_struck_out(ask: Asker, where: str):
    ask.environ["RUNPOD_API_KEY"] = SECRET
    ask.answers(ECHOES[where])
    try:
        said = f"{[vars(one) for one in ask(source(keyed())).documents]}"
        assert "[redacted]" in said
    except RefusedFetchError as error:
        said = f"{error} {vars(error)}"
    assert "7390415826" not in said
    assert "MDEyMzQ1Njc4O" not in said
    assert "wMTIzNDU2Nzg5" not in said


def test_no_byte_of_the_home_holds_a_key(world: Any, listing: Any):
    """Archive, manifest, database, snapshot, and what a failed run left of them."""
    (plain,) = world.ledger.sources
    asked = replace(plain, requests=(replace(keyed(), url=plain.requests[0].url),))
    world.ledger = replace(world.ledger, sources=(asked,))
    world.fetcher = replace(
        world.fetcher, environ={"RUNPOD_API_KEY": SECRET}, secrets=secret_variables([asked])
    )
    echo = listing(**{"a": 2.5, "b": 3, f"you sent {SECRET}": 2.75})
    assert world.refresh(echo, headers={"etag": SECRET, "content-type": SECRET}).runs[0].outcome == "accepted"
    assert world.provider.seen[0].headers["Authorization"] == f"Bearer {SECRET}"
    assert world.refresh(SECRET.encode()).runs[0].outcome == "failed"
    files = [path for path in world.ledger.home.path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {".zst", ".json", ".duckdb"}
    found = [path.name for path in files if b"7390415826" in _unpacked(path)]
    assert found == []
    assert world.rows("select sku from offer where sku like 'you sent%'") == [("you sent [redacted]",)]


def _unpacked(path: Path) -> bytes:
    body = path.read_bytes()
    return zstandard.ZstdDecompressor().decompress(body) if path.suffix == ".zst" else body


def test_an_answer_is_told_which_providers_are_read_with_a_key_but_no_key(ask: Asker):
    keys = {"tensordock": Credential(variable="TENSOR_KEY"), "hotaisle": Credential(variable="HOT_KEY")}
    ask.answers(Reply())
    asked = source(Request(url=f"{HOST}/list", context={"zone": "a"}, key_of_provider=keys))
    ask(asked)
    ask.environ["TENSOR_KEY"] = SECRET
    ask(asked)
    assert [dict(document.context) for document in ask.kept] == [
        {"zone": "a"},
        {"zone": "a", "has_key": "tensordock"},
    ]
    assert all(SECRET not in f"{seen.path} {seen.headers}" for seen in ask.provider.seen)

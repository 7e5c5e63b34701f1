"""What a fetch does not put up with: endless, broken and boundless answers, and redirects elsewhere."""

import gzip
import io
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from gpuledger.core.config import FetchSettings
from gpuledger.core.document import Document, Request
from gpuledger.core.errors import RefusedFetchError, TransientFetchError
from gpuledger.scrapers.http import sweep
from gpuledger.scrapers.http.attempt import same_site
from gpuledger.scrapers.http.limits import Politeness
from tests.pipeline.asking import HOST, Asker, Reply, source


@pytest.fixture(params=["thread", "loop"])
def ask(request: pytest.FixtureRequest, provider: Any) -> Iterator[Asker]:
    with httpx.Client(trust_env=False, verify=False) as client:
        yield Asker(client, provider, is_on_a_loop=request.param == "loop")


class RawServer:
    """A socket that answers every connection with what a test writes by hand."""

    def __init__(self, write: Callable[[socket.socket], None]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._write = write
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65_536)
                with suppress(OSError):
                    self._write(connection)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def raw() -> Iterator[Callable[[Callable[[socket.socket], None]], RawServer]]:
    servers: list[RawServer] = []

    def start(write: Callable[[socket.socket], None]) -> RawServer:
        servers.append(RawServer(write))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def test_an_answer_that_drips_is_given_up_in_time(ask: Asker, raw: Any):
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        for _ in range(200):
            connection.sendall(b"x")
            time.sleep(0.02)

    ask.settings = FetchSettings(attempts=1, total_seconds=0.3, timeout_seconds=5)
    began = time.monotonic()
    with pytest.raises(TransientFetchError, match=r"not complete after 0\.3 s"):
        ask(url=raw(drip).url)
    assert time.monotonic() - began < 3


def test_an_answer_that_stalls_is_given_up_in_time(ask: Asker, raw: Any):
    ask.settings = FetchSettings(attempts=1, timeout_seconds=0.2)
    with pytest.raises(TransientFetchError, match="ReadTimeout"):
        ask(url=raw(lambda connection: time.sleep(2)).url)


def test_fewer_bytes_than_promised_are_a_failure(ask: Asker, raw: Any):
    body = b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n[1, 2]"
    with pytest.raises(TransientFetchError, match="RemoteProtocolError"):
        ask(url=raw(lambda connection: connection.sendall(body)).url)


def test_bytes_past_the_promised_length_are_not_read(ask: Asker, raw: Any):
    body = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n[1]<script>"
    assert ask(url=raw(lambda connection: connection.sendall(body)).url).documents[0].body == b"[1]"


def test_what_is_no_http_is_a_failure(ask: Asker, raw: Any):
    with pytest.raises(TransientFetchError, match="RemoteProtocolError"):
        ask(url=raw(lambda connection: connection.sendall(b"220 mail.example ESMTP\r\n")).url)


def test_an_answer_past_the_limit_is_refused(ask: Asker):
    ask.answers(Reply(body=b"x" * ((1 << 20) + 1)))
    with pytest.raises(RefusedFetchError, match="an answer of more than 1 MiB"):
        ask(source(max_body_mib=1))
    assert len(ask.paths) == 1
    ask.answers(Reply(body=b"x" * (1 << 20)))
    assert len(ask(source(max_body_mib=1)).documents[0].body) == 1 << 20


def test_only_gzip_is_asked_for(ask: Asker):
    ask.answers(Reply())
    ask()
    assert ask.provider.seen[0].headers["Accept-Encoding"] == "gzip"


def test_a_gzip_body_is_unpacked(ask: Asker):
    ask.answers(Reply(body=gzip.compress(b'{"a": 1}'), headers={"content-encoding": "gzip"}))
    assert ask().documents[0].body == b'{"a": 1}'


def test_a_gzip_bomb_meets_the_limit(ask: Asker):
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9) as file:
        for _ in range(64):
            file.write(bytes(1 << 20))
    assert len(packed.getvalue()) < 1 << 17
    ask.answers(Reply(body=packed.getvalue(), headers={"content-encoding": "gzip"}))
    with pytest.raises(RefusedFetchError, match="more than 2 MiB"):
        ask(source(max_body_mib=2))


def test_gzip_that_is_cut_off_is_never_taken_for_whole(ask: Asker):
    ask.answers(Reply(body=gzip.compress(b'{"a": 1}' * 100)[:-8], headers={"content-encoding": "gzip"}))
    with pytest.raises(RefusedFetchError, match="gzip that ends too early"):
        ask()


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip", "gzip, br"])
def test_an_encoding_that_was_not_asked_for_is_refused(ask: Asker, encoding: str):
    ask.answers(Reply(body=zlib.compress(b"[]"), headers={"content-encoding": encoding}))
    with pytest.raises(RefusedFetchError, match=f"content encoding '{encoding}'"):
        ask()


def test_a_paging_loop_ends(ask: Asker, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sweep, "MAX_REQUESTS", 7)
    ask.answers(Reply())

    def follow(document: Document) -> Iterator[Request]:
        yield Request(url=document.request.url + "x")

    with pytest.raises(RefusedFetchError, match="more than 7 requests in one run"):
        ask(source(follow=follow))
    assert len(ask.paths) == 7


def test_the_bound_of_a_run_is_generous():
    assert sweep.MAX_REQUESTS >= 100


def test_the_same_request_is_sent_once(ask: Asker):
    ask.answers(Reply())
    asked = source(follow=lambda document: iter([Request(url=f"{HOST}/list"), Request(url=f"{HOST}/more")]))
    assert len(ask(asked).documents) == 2
    assert ask.paths == ["/list", "/more"]


def test_on_the_same_origin_they_are_followed(ask: Asker):
    ask.by_path(list=Reply(302, headers={"location": "/new?a=1"}), new=Reply(body=b"[1]"))
    (document,) = ask().documents
    assert document.body == b"[1]"
    assert document.request.url == f"{HOST}/list"
    assert ask.paths == ["/list", "/new?a=1"]


ELSEWHERE = {
    "another host": "https://evil.example/x",
    "another port": "http://127.0.0.1:1/x",
    "no certificate": "http://prices.example/x",
    "a file": "file:///etc/passwd",
    "the metadata service": "http://169.254.169.254/latest/meta-data/",
    "a host without scheme": "//evil.example/x",
    "a name that only looks alike": "https://127.0.0.1.evil.example/",
}


@pytest.mark.parametrize("where", ELSEWHERE)
def test_to_anywhere_else_they_are_refused(ask: Asker, where: str):
    ask.answers(Reply(301, headers={"location": ELSEWHERE[where]}))
    with pytest.raises(RefusedFetchError, match="a redirect to "):
        ask()
    assert len(ask.paths) == 1


def test_a_circle_ends(ask: Asker):
    ask.answers(Reply(302, headers={"location": "/list"}))
    with pytest.raises(RefusedFetchError, match="more than 5 redirects"):
        ask()


SITES = {
    ("www.aws.example", "pricing.aws.example"): True,
    ("aws.example", "www.aws.example"): True,
    ("aws.example", "evil.example"): False,
    ("10.0.0.1", "10.0.0.2"): False,
    ("::1", "::1"): False,
    ("localhost", "localhost"): False,
}


@pytest.mark.parametrize("hosts", SITES)
def test_hosts_of_one_site_share_their_last_two_labels(hosts: tuple[str, str]):
    assert same_site(*hosts) is SITES[hosts]


def test_one_host_is_asked_no_faster_from_many_threads():
    politeness, times, began = Politeness(), [], time.monotonic()

    def go() -> None:
        politeness.wait("prices.example", 0.05)
        times.append(time.monotonic())

    threads = [threading.Thread(target=go) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Each from the start: a thread that wakes up late comes nearer to the next one, and never too early.
    assert all(at - began >= number * 0.05 for number, at in enumerate(sorted(times)))


def test_hosts_do_not_wait_for_each_other():
    politeness = Politeness()
    politeness.wait("a.example", 30)
    began = time.monotonic()
    politeness.wait("b.example", 30)
    assert time.monotonic() - began < 5


def test_pages_of_one_source_are_asked_apart(ask: Asker):
    ask.answers(Reply())
    asked = source(*(Request(url=f"{HOST}/{page}") for page in range(4)), seconds_between_requests=0.05)
    began = time.monotonic()
    ask(asked)
    assert time.monotonic() - began >= 0.15

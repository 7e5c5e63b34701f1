"""A server that somebody presses: costly plans, slow and silent clients, pages of other sites."""

import asyncio
import socket
import threading
import time

import httpx
import pytest

from gpuledger.core.errors import InvalidPlanError
from gpuledger.core.plan import read_plan
from gpuledger.web import connections, gate
from gpuledger.web.access import COOKIE, Token, Turnstile, is_costly
from gpuledger.web.application import create_app
from gpuledger.web.connections import Places, PromptProtocol
from gpuledger.web.gate import GateSettings
from tests.interface.server.conftest import serving
from tests.interface.server.large_ledger import NOW


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a" + ".a" * 20_000 + " = 1", "more than 64 dots"),
        ('"x y"' + '."x y"' * 2_000 + " = 1", "more than 64 dots"),
        ("[a" + ".b" * 9_000 + "]", "more than 64 dots"),
        ("#" * 70_000, "70,000 characters; a plan has at most 65,536"),
        ("a = " + "[" * 30_000, "not toml"),
        ("a = " + "9" * 5_000, "not toml"),
    ],
    ids=["dots", "quoted dots", "table", "size", "depth", "digits"],
)
def test_a_plan_that_would_take_a_parser_long_is_refused_before_it(text, message):
    with pytest.raises(InvalidPlanError, match=message):
        read_plan(text, syntax="toml")


def test_a_plan_in_json_is_bounded_as_one_in_toml(client):
    plan = {"name": "n" * 70_000, "model": "gpt2", "method": "pretrain", "training_tokens": 1e9}
    answer = client.post("/v1/quotes", json=plan)
    assert answer.status_code == 422
    assert "a plan has at most 65,536" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "costly"),
    [
        ("GET", "/quote", True),
        ("GET", "/quote/frontier", True),
        ("POST", "/v1/frontier", True),
        ("POST", "/v1/decisions/size", True),
        ("GET", "/v1/sql", True),
        ("GET", "/v1/history", True),
        ("GET", "/history", True),
        ("GET", "/v1/quotes/7a4e9db9fb1d84fd", False),
        ("GET", "/v1/offers", False),
        ("GET", "/healthz", False),
        ("POST", "/login", False),
    ],
)
def test_what_waits_its_turn(method, path, costly):
    assert is_costly(method, path) is costly


def test_a_line_that_is_full_refuses_and_goes_on():
    async def scene() -> list[bool]:
        turnstile, gate, seen = Turnstile(at_once=1, in_line=2, wait_seconds=5), asyncio.Event(), list[bool]()

        async def ask() -> None:
            async with turnstile.turn() as is_admitted:
                if is_admitted:
                    await gate.wait()
                seen.append(is_admitted)

        asks = [asyncio.create_task(ask()) for _ in range(4)]
        await asyncio.sleep(0.05)
        gate.set()
        await asyncio.gather(*asks)
        async with turnstile.turn() as is_admitted:
            seen.append(is_admitted)
        return seen

    assert asyncio.run(scene()) == [False, True, True, True, True]


@pytest.mark.parametrize(
    ("method", "address", "headers", "status"),
    [
        ("POST", "/v1/quotes", {"origin": "https://elsewhere.example"}, 403),
        ("POST", "/v1/quotes", {"origin": "null"}, 403),
        ("POST", "/v1/quotes", {"origin": "null", "sec-fetch-site": "same-origin"}, 422),
        ("GET", "/quote", {"sec-fetch-site": "cross-site", "sec-fetch-dest": "image"}, 403),
        ("GET", "/quote", {"sec-fetch-site": "cross-site", "sec-fetch-dest": "iframe"}, 403),
        ("GET", "/quote", {"sec-fetch-site": "cross-site", "sec-fetch-dest": "document"}, 403),
        (
            "GET",
            "/quote",
            {"sec-fetch-site": "cross-site", "sec-fetch-dest": "document", "sec-fetch-user": "?1"},
            200,
        ),
        ("GET", "/v1/offers?limit=1", {"sec-fetch-site": "cross-site", "sec-fetch-dest": "image"}, 200),
    ],
)
def test_pages_of_other_sites_ask_for_nothing_costly(client, method, address, headers, status):
    answer = client.request(method, address, headers=headers, content=b"" if method == "POST" else None)
    assert answer.status_code == status


def test_the_own_origin_is_the_host_that_was_asked(client):
    host = client.base_url.netloc.decode()
    answer = client.post(
        "/v1/estimates", json={"preset": "llama-3-8b-lora"}, headers={"origin": f"http://{host}"}
    )
    assert answer.status_code == 200


def test_cookies_of_strangers_do_not_hide_ours():
    token = Token("secret")
    assert token.admits(None, f'odd name=1; =x; theirs={{"a": 1}}; {COOKIE}={token.cookie_value}')
    assert not token.admits(None, f"{COOKIE}=x; other={token.cookie_value}")


def test_healthz_tells_no_path(tmp_path):
    from gpuledger.core.store.home import Home

    app = create_app(Home(tmp_path / "nowhere"), settings=GateSettings(), clock=lambda: NOW, environ={})
    with serving(app) as url:
        answer = httpx.get(f"{url}/healthz")
    assert answer.status_code == 503
    assert str(tmp_path) not in answer.text


@pytest.fixture
def small(market_home, monkeypatch):
    """A server with few places and little patience."""
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.3)
    monkeypatch.setattr(PromptProtocol, "places", Places(per_peer=20, in_all=40))
    app = create_app(market_home, settings=GateSettings(requests_per_second=0), clock=lambda: NOW, environ={})
    with serving(app, send_buffer=4096, http=PromptProtocol) as url:
        yield url


def _silent(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=5)


def test_silent_connections_make_way(small):
    held = [_silent(small) for _ in range(60)]
    assert httpx.get(f"{small}/healthz", timeout=5).status_code == 200
    for one in held:
        one.close()


def _unread(url: str, method: str, path: str, body: bytes = b"") -> socket.socket:
    """A request whose answer nobody reads."""
    host, port = url.removeprefix("http://").split(":")
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.settimeout(20)
    one.connect((host, int(port)))
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    one.sendall(f"{head}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    return one


def test_costly_answers_that_are_kept_wait_their_turn_too(market_home, monkeypatch):
    monkeypatch.setattr(gate, "Turnstile", lambda: Turnstile(in_line=0))
    app = create_app(market_home, settings=GateSettings(requests_per_second=0), clock=lambda: NOW, environ={})
    with serving(app) as url:
        asked = (
            "/v1/history?gpu=H100&every=1d",
            "/history?gpu=H100",
            "/v1/sql?q=select+1",
            "/v1/offers?limit=1",
        )
        statuses = {path: httpx.get(url + path, timeout=20).status_code for path in asked}
    assert list(statuses.values()) == [503, 503, 503, 200]


LARGE = "/v1/offers?limit=1000"


def test_a_client_that_does_not_read_its_answer_is_let_go(small, monkeypatch):
    monkeypatch.setattr(connections, "ANSWER_SECONDS", 0.3)
    whole = len(httpx.get(small + LARGE, timeout=20).content)
    with _unread(small, "GET", LARGE) as one:
        time.sleep(2)
        received = 0
        try:
            while part := one.recv(65_536):
                received += len(part)
        except ConnectionResetError:
            pass
    assert received < whole


def test_a_client_that_reads_slowly_gets_its_answer(small, monkeypatch):
    monkeypatch.setattr(connections, "ANSWER_SECONDS", 0.3)
    whole = len(httpx.get(small + LARGE, timeout=20).content)
    received = 0
    with _unread(small, "GET", LARGE) as one:
        while part := one.recv(65_536):
            received += len(part)
            time.sleep(len(part) / 1_000_000)
    assert received > whole


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: loc"])
def test_a_request_that_does_not_come_is_ended(small, sent):
    with _silent(small) as one:
        one.sendall(sent)
        assert one.recv(100) == b""


def test_a_second_request_in_part_is_ended_too(small):
    with _silent(small) as one:
        one.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.1)
        one.sendall(b"GET /healthz HT")
        received = b"".join(iter(lambda: one.recv(65_536), b""))
    assert received.count(b"HTTP/1.1 200") == 1


@pytest.mark.faults
def test_forty_frontiers_leave_others_their_answers(market_home, record_property):
    app = create_app(market_home, settings=GateSettings(requests_per_second=0), clock=lambda: NOW, environ={})
    with serving(app, http=PromptProtocol) as url:
        statuses: list[int] = []

        def ask(tokens: int) -> None:
            body = {"model": "llama-3-8b", "method": "pretrain", "training_tokens": tokens * 1e9}
            statuses.append(httpx.post(f"{url}/v1/frontier", json=body, timeout=120).status_code)

        threads = [threading.Thread(target=ask, args=(number + 1,)) for number in range(40)]
        for one in threads:
            one.start()
        waits = []
        while any(one.is_alive() for one in threads):
            started = time.perf_counter()
            assert httpx.get(f"{url}/v1/offers?limit=5", timeout=30).status_code == 200
            waits.append(time.perf_counter() - started)
            time.sleep(0.05)
    assert len(statuses) == 40 and set(statuses) <= {200, 503}
    record_property("frontiers answered", statuses.count(200))
    record_property("longest wait of others, seconds", round(max(waits), 3))


@pytest.mark.faults
def test_1100_half_open_connections_leave_health_its_answer(market_home, record_property):
    app = create_app(market_home, settings=GateSettings(requests_per_second=0), clock=lambda: NOW, environ={})
    with serving(app, http=PromptProtocol) as url:
        held = []
        for _ in range(1_100):
            one = _silent(url)
            one.sendall(b"GET / HTTP/1.1\r\nHost: l")
            held.append(one)
        started = time.perf_counter()
        assert httpx.get(f"{url}/healthz", timeout=10).status_code == 200
        record_property("wait of /healthz, seconds", round(time.perf_counter() - started, 3))
        for one in held:
            one.close()

"""The gate before all routes: host, token, rate and size; security headers; and answers already given.

An answer from a snapshot stays the same until the next one or until a price goes stale, so it is kept by
snapshot, address and `Accept`. Requests for an answer that is being made wait for it instead of making it
again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gpuledger.core.errors import GPULedgerError
from gpuledger.core.store.snapshot_pool import SnapshotPool
from gpuledger.web.access import (
    PERSONAL,
    RateLimit,
    Token,
    Turnstile,
    is_costly,
    is_known_host,
    is_own_origin,
)
from gpuledger.web.metrics import RequestMeter
from gpuledger.web.prefix import outer, path_prefix, prefixed
from gpuledger.web.problems import MEDIA_TYPE, document

Headers = list[tuple[bytes, bytes]]
LOG = logging.getLogger("gpuledger.server")

BODY_BYTES = 1_000_000
BODY_SECONDS = 20.0
KEPT_SECONDS = 10.0
"""Ages in an answer are exact to 0.01 hours, which is 36 seconds."""
KEPT_BYTES = 32_000_000
LARGEST_KEPT = 2_000_000

SECURITY: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
]


@dataclass(frozen=True)
class GateSettings:
    """What a server lets through."""

    token: str | None = None
    requests_per_second: float = 100.0
    """Per client address and process; 0 is no limit."""
    hosts: tuple[str, ...] | None = ()
    """Names beside loopback's that the server answers to; `None` is any."""


@dataclass(slots=True)
class _Answer:
    status: int = 500
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    route: str = "other"
    etag: bytes = b""
    until: float = 0.0


class _AnswerCache:
    """Answers of the newest snapshot, the least recently used ones dropped first."""

    def __init__(self) -> None:
        self._version = ""
        self._answers: OrderedDict[tuple[bytes, ...], _Answer] = OrderedDict()
        self._bytes = 0

    def get(self, version: str, key: tuple[bytes, ...], now: float) -> _Answer | None:
        if version != self._version:
            self._answers.clear()
            self._version, self._bytes = version, 0
            return None
        result = self._answers.get(key)
        if result is None or result.until < now:
            return None
        self._answers.move_to_end(key)
        return result

    def put(self, version: str, key: tuple[bytes, ...], answer: _Answer) -> None:
        if version != self._version or len(answer.body) > LARGEST_KEPT:
            return
        before = self._answers.pop(key, None)
        self._answers[key] = answer
        self._bytes += len(answer.body) - (len(before.body) if before else 0)
        while self._bytes > KEPT_BYTES:
            self._bytes -= len(self._answers.popitem(last=False)[1].body)


class Gate:
    """ASGI middleware; the only one."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        pool: SnapshotPool,
        clock: Callable[[], datetime],
        settings: GateSettings,
        meter: RequestMeter,
    ) -> None:
        self._app = app
        self._pool, self._clock = pool, clock
        self._settings = settings
        self._meter = meter
        self._token = Token(settings.token)
        self._rate = RateLimit(settings.requests_per_second)
        self._turnstile = Turnstile()
        self._kept = _AnswerCache()
        self._making: dict[tuple[bytes, ...], asyncio.Future[_Answer]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        answer = self._refusal(scope, headers)
        if answer is None and scope["method"] in ("GET", "HEAD") and _is_kept(scope["path"]):
            answer = await self._kept_answer(scope, headers, receive)
        if answer is None and scope["method"] not in ("GET", "HEAD"):
            receive, answer = await _whole_body(headers, receive)
        if answer is None and is_costly(scope["method"], scope["path"]):
            answer = await self._in_turn(scope, receive)
            # the state of an answer that is not kept is not compared
            answer.etag = b""
        if answer is None:
            route, status = await self._pass(scope, receive, send)
        else:
            await self._send(scope, headers, answer, send)
            route, status = answer.route, answer.status
        self._meter.count(scope["method"], route, status, time.perf_counter() - started)

    def _refusal(self, scope: Scope, headers: dict[bytes, bytes]) -> _Answer | None:
        allowed = self._settings.hosts
        host = headers.get(b"host", b"").decode("latin-1")
        if allowed is not None and not is_known_host(host, allowed):
            return _problem(403, "unknown-host", f"host: {host[:80]!r} is none of this server's names")
        client = scope["client"][0] if scope.get("client") else "unknown"
        wait = self._rate.wait(client, time.monotonic())
        if wait:
            extra = [(b"retry-after", str(max(1, round(wait))).encode())]
            return _problem(
                429,
                "rate-limit",
                f"more than {self._settings.requests_per_second:g} requests a second",
                extra,
            )
        path: str = scope["path"]
        if _is_foreign(scope["method"], path, headers):
            return _problem(403, "cross-site", "a page of another site may not ask this")
        is_open = path in ("/healthz", "/login", "/logout") or path.startswith("/static/")
        if is_open or not self._token.is_set:
            return None
        authorization = headers.get(b"authorization", b"").decode("latin-1")
        if self._token.admits(authorization, headers.get(b"cookie", b"").decode("latin-1")):
            return None
        if b"text/html" in headers.get(b"accept", b"") and scope["method"] == "GET":
            return _to_login(scope)
        extra = [(b"www-authenticate", b'Bearer realm="gpuledger"')]
        return _problem(401, "unauthorised", "send the server's token: Authorization: Bearer ...", extra)

    async def _kept_answer(
        self, scope: Scope, headers: dict[bytes, bytes], receive: Receive
    ) -> _Answer | None:
        pool = self._pool
        try:
            edition = await run_in_threadpool(pool.newest) if pool.has_moved() else pool.newest()
        except GPULedgerError:
            return None
        version = edition.version(self._clock())
        key = (
            version.encode(),
            scope["path"].encode(),
            scope["query_string"],
            headers.get(b"accept", b""),
            # pages name their own address
            headers.get(b"host", b""),
            path_prefix().encode(),
        )
        now = time.monotonic()
        result = self._kept.get(version, key, now)
        if result is not None:
            return result
        making = self._making.get(key)
        if making is not None:
            return await asyncio.shield(making)
        promised: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        self._making[key] = promised
        try:
            answer = await self._in_turn(scope, receive)
            if answer.status == HTTPStatus.OK and answer.etag == b'W/"' + key[0] + b'"':
                answer.until = now + KEPT_SECONDS
                self._kept.put(version, key, answer)
            promised.set_result(answer)
            return answer
        except BaseException as error:
            promised.set_exception(error if isinstance(error, Exception) else RuntimeError("request ended"))
            # Nobody may be waiting for it.
            promised.exception()
            raise
        finally:
            del self._making[key]

    async def _in_turn(self, scope: Scope, receive: Receive) -> _Answer:
        """The whole answer, a costly one in its turn, which ends before the client begins to read."""
        if not is_costly(scope["method"], scope["path"]):
            return await self._made(scope, receive)
        async with self._turnstile.turn() as is_admitted:
            return await self._made(scope, receive) if is_admitted else _busy()

    async def _made(self, scope: Scope, receive: Receive) -> _Answer:
        answer, parts = _Answer(), list[bytes]()

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = [*message["headers"], *SECURITY]
                answer.etag = next((value for name, value in message["headers"] if name == b"etag"), b"")
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))

        inner = _inner(scope)
        try:
            await self._app(inner, receive, collect)
        except Exception:
            # The outermost handler has answered with a problem document; the trace is for the log alone.
            LOG.exception("failed: %s", scope["path"])
            if not parts:
                return _problem(500, "internal", "the server failed; its log says why")
        answer.body = b"".join(parts)
        answer.route = _route(inner)
        return answer

    async def _send(self, scope: Scope, headers: dict[bytes, bytes], answer: _Answer, send: Send) -> None:
        if answer.etag and _matches(headers.get(b"if-none-match", b""), answer.etag):
            stored = [(n, v) for n, v in answer.headers if n not in (b"content-length", b"content-type")]
            await send({"type": "http.response.start", "status": 304, "headers": stored})
            await send({"type": "http.response.body", "body": b""})
            return
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> tuple[str, int]:
        """Through to the routes, without keeping the answer."""
        seen = {"status": 500}
        is_head = scope["method"] == "HEAD"

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
                message = {**message, "headers": [*message["headers"], *SECURITY]}
            elif is_head:
                message = {**message, "body": b""}
            await send(message)

        inner = _inner(scope)
        try:
            await self._app(inner, receive, dressed)
        except Exception:
            LOG.exception("failed: %s", scope["path"])
        return _route(inner), seen["status"]


def _to_login(scope: Scope) -> _Answer:
    """The way to the token, which remembers the question."""
    target: bytes = scope.get("raw_path") or scope["path"].encode()
    if scope["query_string"]:
        target += b"?" + scope["query_string"]
    location = prefixed("/login").encode()
    if target != b"/":
        location += b"?next=" + quote(target, safe="").encode()
    return _Answer(303, [(b"location", location), (b"content-length", b"0")], route="login")


def _inner(scope: Scope) -> Scope:
    """The scope of the routes: HEAD is answered as GET, and the body left out."""
    scope = outer(scope)
    return {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope


def _is_kept(path: str) -> bool:
    return (path.startswith("/v1/") and not path.startswith(("/v1/quotes", *PERSONAL))) or path in PAGES


PAGES = frozenset({"/", "/prices", "/history", "/history/moves", "/sources"})


def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", "other")


def _matches(inputs: bytes, etag: bytes) -> bool:
    selection = etag.removeprefix(b"W/")
    return any(part.strip().removeprefix(b"W/") in (selection, b"*") for part in inputs.split(b","))


def _problem(status: int, kind: str, detail: str, extra: Sequence[tuple[bytes, bytes]] = ()) -> _Answer:
    body = document(status, kind, detail)
    headers: Headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        *extra,
        *SECURITY,
    ]
    return _Answer(status, headers, body, route="refused")


async def _whole_body(headers: dict[bytes, bytes], receive: Receive) -> tuple[Receive, _Answer | None]:
    """A body that has come in full, so that a slow client holds no turn; or why not."""
    stated = headers.get(b"content-length", b"0")
    if not stated.isdigit() or int(stated) > BODY_BYTES:
        return receive, _too_large()
    parts, size, has_more = list[bytes](), 0, True
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while has_more:
                message = await receive()
                if message["type"] != "http.request":
                    return receive, _problem(400, "incomplete", "body: the connection ended before it")
                parts.append(message.get("body", b""))
                size, has_more = size + len(parts[-1]), message.get("more_body", False)
                if size > BODY_BYTES:
                    return receive, _too_large()
    except TimeoutError:
        return receive, _problem(408, "slow", f"body: not there after {BODY_SECONDS:g} seconds")
    first: list[Message] = [{"type": "http.request", "body": b"".join(parts), "more_body": False}]

    async def read() -> Message:
        return first.pop() if first else await receive()

    return read, None


def _is_foreign(method: str, path: str, headers: dict[bytes, bytes]) -> bool:
    """Whether the page of another site asks for what only the own pages, or a person who follows a link, may."""
    if method not in ("GET", "HEAD"):
        origin = headers.get(b"origin")
        host = headers.get(b"host", b"").decode("latin-1")
        # A form under `referrer-policy: no-referrer` sends "null"; the browser then says itself where it stands.
        is_own_form = origin == b"null" and headers.get(b"sec-fetch-site") == b"same-origin"
        if not is_own_form and not is_own_origin(None if origin is None else origin.decode("latin-1"), host):
            return True
    if headers.get(b"sec-fetch-site") != b"cross-site":
        return False
    follows_link = headers.get(b"sec-fetch-dest") == b"document" and b"sec-fetch-user" in headers
    return method not in ("GET", "HEAD") or (is_costly(method, path) and not follows_link)


def _busy() -> _Answer:
    return _problem(503, "busy", "too many costly questions at once; ask again", [(b"retry-after", b"5")])


def _too_large() -> _Answer:
    return _problem(413, "too-large", f"body: more than {BODY_BYTES} bytes")

"""Who may ask, from where, how often, and how many costly questions at once."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

COOKIE = "gpuledger"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "[::1]"})
MOST_CLIENTS = 10_000


class RateLimit:
    """A token bucket per client: so many requests a second on average, four seconds' worth at once."""

    def __init__(self, per_second: float) -> None:
        self.per_second = per_second
        self._burst = max(4 * per_second, 1.0)
        self._clients: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, client: str, now: float) -> float:
        """Seconds until the client may ask again; 0 lets the request through and counts it."""
        if self.per_second <= 0:
            return 0.0
        tokens, at = self._clients.pop(client, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self.per_second)
        is_allowed = tokens >= 1
        self._clients[client] = (tokens - 1 if is_allowed else tokens, now)
        if len(self._clients) > MOST_CLIENTS:
            self._clients.popitem(last=False)
        return 0.0 if is_allowed else (1 - tokens) / self.per_second


class Token:
    """The one secret of a server; without it everybody may ask."""

    def __init__(self, secret: str | None) -> None:
        self._secret = (secret or "").encode()

    @property
    def is_set(self) -> bool:
        return bool(self._secret)

    @property
    def cookie_value(self) -> str:
        """What a browser keeps instead of the secret itself."""
        return hmac.new(self._secret, b"gpuledger page", hashlib.sha256).hexdigest()

    def opens(self, secret: str) -> bool:
        """Whether that is the secret; takes the same time whatever the answer."""
        return hmac.compare_digest(self._secret, secret.encode())

    def admits(self, authorization: str | None, cookies: str | None) -> bool:
        """Whether the headers hold the secret, as a bearer token or as the page's cookie."""
        if not self.is_set:
            return True
        kind, _, inputs = (authorization or "").partition(" ")
        if kind.lower() == "bearer" and self.opens(inputs.strip()):
            return True
        # Cookies of other servers on this host come along, in whatever form; SimpleCookie stops at the first odd one.
        pairs = (part.strip().partition("=") for part in (cookies or "").split(";"))
        return any(
            name == COOKIE and hmac.compare_digest(self.cookie_value.encode(), value.strip('"').encode())
            for name, _, value in pairs
        )


PERSONAL = ("/v1/actuals", "/v1/accuracy", "/v1/watches")
"""Paths that answer who asks from this machine or with the token, so no answer of theirs is for the next one."""

COSTLY = (
    "/quote",
    "/compare",
    "/sql",
    "/v1/quotes",
    "/v1/frontier",
    "/v1/compare",
    "/v1/estimates",
    "/v1/sql",
    "/history",
    "/v1/history",
)
"""Paths whose answers take a processor for longer than a lookup; with what lies below them, and all other POSTs."""


def is_costly(method: str, path: str) -> bool:
    """Whether a request waits its turn among the costly ones."""
    if path == "/login" or (path.startswith("/v1/quotes/") and method == "GET"):
        return False
    return method == "POST" or any(path == one or path.startswith(one + "/") for one in COSTLY)


class Turnstile:
    """Some costly answers at once, some more in line, and a refusal for the rest.

    Args:
        at_once: answers being made, per process.
        in_line: requests that wait for one to end.
        wait_seconds: the longest wait.
    """

    def __init__(self, at_once: int = 2, in_line: int = 32, wait_seconds: float = 30.0) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._in_line, self._waiting, self._wait_seconds = in_line, 0, wait_seconds

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[bool]:
        """True within a turn; False where the line is full or the wait was too long."""
        if self._waiting >= self._in_line:
            yield False
            return
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._free.acquire()
        except TimeoutError:
            yield False
            return
        finally:
            self._waiting -= 1
        try:
            yield True
        finally:
            self._free.release()


def own_path(text: str | None) -> str:
    """A path of this server to go on to after logging in, or `/`: another site's address is never followed.

    A browser takes `//host` and `/\\host` for another site, and drops tabs and line breaks from an address.
    """
    is_own = text is not None and text.startswith("/") and text[1:2] not in ("/", "\\") and text.isprintable()
    return text if is_own and text is not None and not text.startswith(("/login", "/logout")) else "/"


def is_known_host(host: str | None, allowed: Iterable[str]) -> bool:
    """Whether a `Host` header names this server; a foreign page that points its own name here is turned
    away."""
    if not host:
        return False
    name = host.lower()
    bare = name[: name.rindex("]") + 1] if name.startswith("[") and "]" in name else name.partition(":")[0]
    return bare in LOOPBACK or bare in {entry.lower() for entry in allowed}


def is_own_origin(origin: str | None, host: str | None) -> bool:
    """Whether an `Origin` header is this server's own; requests from outside a browser have none."""
    if origin is None:
        return True
    return bool(host) and origin.lower().partition("://")[2] == (host or "").lower()

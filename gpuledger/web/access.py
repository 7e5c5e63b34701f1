"""Who may ask, from where, and how often."""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie

COOKIE = "gpuledger"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "[::1]"})
MOST_CLIENTS = 10_000


class Rate:
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
        try:
            result = SimpleCookie(cookies or "").get(COOKIE)
        except CookieError:
            return False
        return result is not None and hmac.compare_digest(self.cookie_value.encode(), result.value.encode())


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

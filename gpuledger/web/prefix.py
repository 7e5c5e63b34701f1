"""The path below which a reverse proxy serves this server, as `/prices` of `https://example.org/prices/`.

Inside, paths are without it; every address that is handed out has it. A proxy that takes it off and one that passes it
on are both served.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextvars import ContextVar
from ipaddress import ip_address, ip_network
from typing import Any, cast

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from gpuledger.core.errors import UsageError

_PREFIX: ContextVar[str] = ContextVar("path_prefix", default="")
_FORM = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
_HEADER = b"x-forwarded-prefix"
LONGEST = 200

TREES = ("/v1", "/static", "/quote", "/history")
"""Paths of this server with others below them: with such a prefix no one could tell a path that has it still from one
that never had."""


def path_prefix() -> str:
    """The prefix of the request that is being answered; empty without one."""
    return _PREFIX.get()


def prefixed(path: str) -> str:
    """A path of this server as its clients have to ask for it."""
    return _PREFIX.get() + path


def path_of(request: Request) -> str:
    """The path of a request, without the prefix."""
    return request.url.path.removeprefix(path_prefix()) or "/"


def checked_prefix(text: str) -> str:
    """A prefix as `--path-prefix` takes it: empty, or `/name` with as many parts as there are.

    Raises:
        UsageError: it is none.
    """
    prefix = text.strip().rstrip("/")
    if prefix and not (_FORM.fullmatch(prefix) and len(prefix) <= LONGEST):
        raise UsageError(
            f"--path-prefix: {text[:80]!r} is no path such as /gpu/prices, of letters, digits and ._~-"
        )
    if prefix in TREES:
        raise UsageError(
            f"--path-prefix: {prefix} is the path of a page of this server, with others below it; choose another"
        )
    return prefix


def inner_path(path: str, prefix: str) -> str:
    """A path without the prefix, whether the proxy took it off or passed it on. `/prices` itself is the page of that
    name, for a proxy that takes `/prices` off."""
    if not prefix or not path.startswith(prefix):
        return path
    rest = path[len(prefix) :]
    if rest == "":
        return path if prefix in _OWN_NAMES else "/"
    return rest if rest.startswith("/") else path


_OWN_NAMES = frozenset(
    {"/prices", "/timing", "/sources", "/sql", "/price", "/login", "/logout", "/healthz", "/metrics"}
)


class PathPrefix:
    """ASGI middleware in front of everything else, where the peer is still the proxy and not its client.

    Args:
        prefix: of every request, as `checked_prefix` returns it; a trusted proxy's X-Forwarded-Prefix comes before it.
        proxies: addresses and networks whose X-Forwarded-Prefix is believed.
    """

    def __init__(self, app: ASGIApp, *, prefix: str = "", proxies: Sequence[str] = ()) -> None:
        self._app = app
        self._prefix = prefix
        self._proxies = [ip_network(one) for one in proxies]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        prefix = self._prefix_of_proxy(scope) or self._prefix
        _PREFIX.set(prefix)
        if prefix:
            raw: bytes = scope.get("raw_path") or scope["path"].encode()
            scope = {
                **scope,
                "path": inner_path(scope["path"], prefix),
                "raw_path": inner_path(raw.decode("latin-1"), prefix).encode("latin-1"),
            }
        await self._app(scope, receive, send)

    def _prefix_of_proxy(self, scope: Scope) -> str:
        """The prefix that a trusted proxy names; one that is none is as good as not there."""
        named = next((value for name, value in scope["headers"] if name == _HEADER), b"")
        if not named or not self._is_proxy(scope):
            return ""
        try:
            return checked_prefix(named.decode("latin-1"))
        except UsageError:
            return ""

    def _is_proxy(self, scope: Scope) -> bool:
        try:
            peer = ip_address(scope["client"][0]) if scope.get("client") else None
        except ValueError:
            return False
        return peer is not None and any(peer in network for network in self._proxies)


def outer(scope: Scope) -> Scope:
    """The scope as the routes take it: the path in full, and how much of it leads to this server."""
    prefix = path_prefix()
    return {**scope, "path": prefix + scope["path"], "root_path": prefix} if prefix else scope


def behind(app: ASGIApp, *, proxies: Sequence[str] = (), prefix: str = "") -> ASGIApp:
    """The server as it stands behind proxies: what those that are trusted say of their clients is taken as true.

    Args:
        proxies: their addresses and networks.
        prefix: the path below which clients find the server, where no proxy names it.
    """
    if proxies:
        forwarded = ProxyHeadersMiddleware(cast("Any", app), trusted_hosts=list(proxies))
        app = cast("ASGIApp", forwarded)
    return PathPrefix(app, prefix=prefix, proxies=proxies)

"""Limits: how long one whole answer may take, whom it may come from, and how soon the same host is asked again.

A timeout of the client is for each read: headers that come one byte at a time, or interim answers without
end, never meet it. So a timer ends the connection itself. Both are told the connection by tracing
(https://www.encode.io/httpcore/extensions/#trace, read 2026-11-21); it works for new connections only, so
requests that are watched ask for `Connection: close`.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any

from gpuledger.core.errors import RefusedFetchError


class Watch:
    """Context of one attempt; ends its connections after `seconds`."""

    def __init__(self, source: str, url: str, seconds: float) -> None:
        self._source, self._url, self.seconds = source, url, seconds
        self._guard = threading.Lock()
        self._connections: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self.is_over = False
        self.must_be_public: str | None = None
        """Host whose address must not be a private one: where an answer sent us, not what was asked."""
        self._host = ""

    def __enter__(self) -> Watch:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()

    def trace(self, name: str, info: Mapping[str, Any]) -> None:
        """For the request's extension `trace`.

        Raises:
            RefusedFetchError: the host that must be public has a private address.
        """
        if name == "connection.connect_tcp.started":
            self._host = host_text(info["host"])
        elif name in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
            stream = info["return_value"]
            self._take(stream.get_extra_info("socket"))
            if self._host == self.must_be_public and name == "connection.connect_tcp.complete":
                address = str(stream.get_extra_info("server_addr")[0])
                try:
                    check_public(self._source, self._url, self._host, address)
                except RefusedFetchError:
                    stream.get_extra_info("socket").close()
                    raise

    def _take(self, connection: socket.socket) -> None:
        with self._guard:
            # A TLS connection takes the plain one's place, which is detached from then on.
            self._connections = [one for one in self._connections if one.fileno() >= 0] + [connection]
            if self.is_over:
                _shut(connection)

    def _end(self) -> None:
        with self._guard:
            self.is_over = True
            for connection in self._connections:
                _shut(connection)


def check_public(source: str, url: str, host: str, address: str) -> None:
    """Refuse a host that an answer sent us to and that is in a private network.

    Raises:
        RefusedFetchError: its address is a private one.
    """
    if not ipaddress.ip_address(address.partition("%")[0]).is_global:
        raise RefusedFetchError(source, url, f"a redirect to {host}, which is {address}")


def _shut(connection: socket.socket) -> None:
    # Not the method of a TLS socket: that one takes the session away from the thread that reads.
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def host_text(host: str | bytes) -> str:
    """The host that a trace names."""
    return host.decode("ascii") if isinstance(host, bytes) else host


# How long one waits before asking the same host again.


class Politeness:
    """Keeps a minimum time between two requests to one host, over all threads. Hosts are the sources' own,
    so that many sources behind one mirror do not wait for each other."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._next_at: dict[str, float] = {}

    def reserve(self, host: str, seconds: float) -> float:
        """Seconds from now to the next free place, which is taken."""
        with self._guard:
            now = time.monotonic()
            start_at = max(now, self._next_at.get(host, now))
            self._next_at[host] = start_at + seconds
        return start_at - now

    def wait(self, host: str, seconds: float) -> None:
        """Take the next free place, and wait for it."""
        time.sleep(self.reserve(host, seconds))

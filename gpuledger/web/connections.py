"""Connections of the server: answers that leave at once, and clients that connect without asking or do not read.

A client that sends no request holds a file descriptor and nothing else. It is let go after `HEADER_SECONDS`, or as
soon as somebody else needs its place. One that asked and does not take its answer holds that answer; it is let go
when it takes less than `LEAST_TAKEN` of it in `ANSWER_SECONDS`.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, cast

from uvicorn.protocols.http.auto import AutoHTTPProtocol

if TYPE_CHECKING:
    from uvicorn.protocols.http.h11_impl import H11Protocol as HTTPProtocol
    from uvicorn.protocols.http.h11_impl import RequestResponseCycle
else:
    HTTPProtocol = AutoHTTPProtocol

HEADER_SECONDS = 10.0
ANSWER_SECONDS = 20.0
LEAST_TAKEN = 20_000
"""Bytes: a thousand a second, which any line carries."""
MOST_PER_PEER = 200
MOST_IN_ALL = 800
"""Below the 1,024 files that a process may open by default."""


class Places:
    """Who is connected, and who of them has not asked yet, oldest first.

    Args:
        proxies: networks of proxies; their connections are those of many clients.
    """

    def __init__(
        self, per_peer: int = MOST_PER_PEER, in_all: int = MOST_IN_ALL, proxies: Sequence[str] = ()
    ) -> None:
        self._per_peer, self._in_all = per_peer, in_all
        self._proxies = [ip_network(one) for one in proxies]
        self._peers: Counter[str] = Counter()
        self._silent: dict[PromptProtocol, str] = {}

    def enter(self, connection: PromptProtocol, peer: str) -> bool:
        """Take a place, from the oldest silent connection where there is none; False where all are in use."""
        is_full = self._peers.total() >= self._in_all
        has_its_share = self._peers[peer] >= self._per_peer and not self._is_proxy(peer)
        if is_full or has_its_share:
            oldest = next((one for one, owner in self._silent.items() if is_full or owner == peer), None)
            if oldest is None:
                return False
            oldest.let_go()
        self._peers[peer] += 1
        self._silent[connection] = peer
        return True

    def has_asked(self, connection: PromptProtocol) -> None:
        """The connection sent a request."""
        self._silent.pop(connection, None)

    def leave(self, connection: PromptProtocol, peer: str) -> None:
        """The connection is closed."""
        self._silent.pop(connection, None)
        self._peers[peer] -= 1
        if self._peers[peer] <= 0:
            del self._peers[peer]

    def _is_proxy(self, peer: str) -> bool:
        try:
            return any(ip_address(peer) in network for network in self._proxies)
        except ValueError:
            return False


class PromptProtocol(HTTPProtocol):
    """HTTP whose answers leave at once, over connections that are counted.

    asyncio sets TCP_NODELAY only for sockets that name their protocol, and those that uvicorn shares between
    processes do not. Without it an answer in two parts waits 40 ms for the client's acknowledgement.
    """

    places = Places()
    """Of this process; `listen` sets it."""
    _peer: str | None = None
    _timer: asyncio.TimerHandle | None = None
    _reading: asyncio.TimerHandle | None = None

    def connection_made(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, transport: asyncio.Transport
    ) -> None:
        """Set the connection up, or end it where there is no place."""
        accepted: socket.socket | None = transport.get_extra_info("socket")
        if accepted is not None and accepted.family in (socket.AF_INET, socket.AF_INET6):
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)
        peer = self.client[0] if self.client else "unknown"
        if not self.places.enter(self, peer):
            transport.abort()
            return
        self._peer = peer
        self._timer = self.loop.call_later(HEADER_SECONDS, self.let_go)

    def data_received(self, data: bytes) -> None:
        """Take what came; a request in part is ended after `HEADER_SECONDS`."""
        super().data_received(data)
        # uvicorn sets `cycle` with the first request, whatever its annotation says
        cycle = cast("RequestResponseCycle | None", self.cycle)
        is_partial = bool(self.conn.trailing_data[0]) and (cycle is None or cycle.response_complete)
        if cycle is not None:
            self.places.has_asked(self)
            if not is_partial and self._timer is not None:
                self._timer.cancel()
                self._timer = None
        if is_partial and self._timer is None:
            self._timer = self.loop.call_later(HEADER_SECONDS, self.let_go)

    def pause_writing(self) -> None:
        """The client does not take its answer as fast as it is written; see that it takes some."""
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        """It has taken what was written."""
        super().resume_writing()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _watch_reader(self) -> None:
        waiting = self.transport.get_write_buffer_size()
        self._reading = self.loop.call_later(ANSWER_SECONDS, self._judge_reader, waiting)

    def _judge_reader(self, waiting: int) -> None:
        if waiting - self.transport.get_write_buffer_size() < LEAST_TAKEN:
            self.let_go()
        else:
            self._watch_reader()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        for timer in (self._timer, self._reading):
            if timer is not None:
                timer.cancel()
        self._timer = self._reading = None
        if self._peer is not None:
            self.places.leave(self, self._peer)
            self._peer = None
        super().connection_lost(exc)

    def let_go(self) -> None:
        """End a connection that has not sent a whole request, or does not take its answer."""
        if self._peer is not None:
            self.places.leave(self, self._peer)
            self._peer = None
        self.transport.abort()

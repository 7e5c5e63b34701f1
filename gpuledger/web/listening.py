"""Run an ASGI application under uvicorn, in one process or several."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

if TYPE_CHECKING:
    from uvicorn.protocols.http.h11_impl import H11Protocol as HTTPProtocol
else:
    HTTPProtocol = AutoHTTPProtocol


class PromptProtocol(HTTPProtocol):
    """HTTP whose answers leave at once.

    asyncio does this only for sockets that name their protocol, and those that uvicorn shares between
    processes do not. Without it an answer in two parts waits 40 ms for the client's acknowledgement.
    """

    def connection_made(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, transport: asyncio.Transport
    ) -> None:
        """Set the connection up."""
        accepted: socket.socket | None = transport.get_extra_info("socket")
        if accepted is not None and accepted.family in (socket.AF_INET, socket.AF_INET6):
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)


def listen(factory: str, *, host: str, port: int, workers: int = 1, proxies: Sequence[str] = ()) -> None:
    """Serve until stopped.

    Args:
        factory: `module:function` that makes the application, called once per process.
        proxies: addresses and networks whose word about their clients is believed: the client's address, by which
            requests are counted, and whether it came by HTTPS.

    Raises:
        SystemExit: the address is taken or is not this machine's.
    """
    uvicorn.run(
        factory,
        factory=True,
        host=host,
        port=port,
        workers=workers,
        http=PromptProtocol,
        log_level="warning",
        access_log=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        server_header=False,
    )

"""A provider on loopback that answers as badly as it is told to: bytes on a socket, no library between."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from pathlib import Path

Behaviour = Callable[[socket.socket, str, dict[str, str], threading.Event], None]
"""Answers one request: the connection, the path, the request's headers (lower case), and when to give up."""


def head(status: str, *lines: str) -> bytes:
    """A status line and headers; one connection carries one answer."""
    return "\r\n".join((f"HTTP/1.1 {status}", *lines, "connection: close", "", "")).encode("latin-1")


def plain(body: bytes, *lines: str, status: str = "200 OK") -> bytes:
    """A whole and honest answer."""
    return head(status, f"content-length: {len(body)}", *lines) + body


class HostileProvider:
    """Listens on loopback; `behave` decides what each connection gets. With a certificate it speaks TLS."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.behave: Behaviour = lambda connection, path, headers, over: connection.sendall(
            plain(b"", status="404 Not Found")
        )
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self._over = threading.Event()
        self._tls: ssl.SSLContext | None = None
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        scheme = "https" if certificate else "http"
        self.url = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def always(self, answer: bytes) -> None:
        """Answer every request with these bytes."""
        self.behave = lambda connection, path, headers, over: connection.sendall(answer)

    def in_turn(self, *answers: bytes) -> None:
        """Answer the requests with these bytes in turn; the last one stays."""
        left = list(answers)

        def behave(
            connection: socket.socket, path: str, headers: dict[str, str], over: threading.Event
        ) -> None:
            connection.sendall(left.pop(0) if len(left) > 1 else left[0])

        self.behave = behave

    def close(self) -> None:
        self._over.set()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                if self._tls is not None:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                path, headers = _request(connection)
                self.paths.append(path)
                self.headers.append(headers)
                self.behave(connection, path, headers, self._over)
                connection.close()
        except OSError:
            pass  # the client gave up first, which is what most of the faults are about


def _request(connection: socket.socket) -> tuple[str, dict[str, str]]:
    seen = b""
    while b"\r\n\r\n" not in seen:
        more = connection.recv(65536)
        if not more:
            raise ConnectionError("no request")
        seen += more
    first, *lines = seen.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    return first.split(" ")[1], headers


def reset(connection: socket.socket) -> None:
    """Close with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()

"""What a provider may answer, how such a run ends, and why that is right. One line per fault."""

import gzip
import socket
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import zstandard

from tests.faults.hostile import Behaviour, head, plain, reset
from tests.faults.market import listing

GOOD = listing(1)


@dataclass(frozen=True)
class Fault:
    """One way to answer; `ends` is the run's outcome or the kind of its error."""

    behave: Callable[[], Behaviour]
    ends: str
    is_quick: bool = True
    """Whether it ends by itself in well under a second, and so belongs to the default suite."""


def says(*answers: bytes) -> Callable[[], Behaviour]:
    """These answers in turn; the last one stays."""

    def made() -> Behaviour:
        left = list(answers)

        def behave(
            connection: socket.socket, path: str, headers: dict[str, str], over: threading.Event
        ) -> None:
            connection.sendall(left.pop(0) if len(left) > 1 else left[0])

        return behave

    return made


def then_resets(sent: bytes, *, then: bytes | None = None) -> Callable[[], Behaviour]:
    """Some bytes and a reset; the second request gets `then`, if given."""

    def made() -> Behaviour:
        requests = count()

        def behave(
            connection: socket.socket, path: str, headers: dict[str, str], over: threading.Event
        ) -> None:
            if next(requests) and then is not None:
                connection.sendall(then)
                return
            connection.sendall(sent)
            reset(connection)

        return behave

    return made


def drips(first: bytes, drop: bytes, *, seconds: float, last: bytes = b"") -> Callable[[], Behaviour]:
    """Some bytes at once, then `drop` again and again; `last` only after ten minutes, so never."""

    def made() -> Behaviour:
        def behave(
            connection: socket.socket, path: str, headers: dict[str, str], over: threading.Event
        ) -> None:
            connection.sendall(first)
            while not over.wait(seconds) if seconds else not over.is_set():
                connection.sendall(drop)

        return behave

    return made


def late(seconds: float, answer: bytes) -> Callable[[], Behaviour]:
    """The answer after a pause."""

    def made() -> Behaviour:
        def behave(
            connection: socket.socket, path: str, headers: dict[str, str], over: threading.Event
        ) -> None:
            over.wait(seconds)
            connection.sendall(answer)

        return behave

    return made


def pages(page: Callable[[str], bytes]) -> Callable[[], Behaviour]:
    """Each path its own answer."""

    def made() -> Behaviour:
        def behave(
            connection: socket.socket, path: str, headers: dict[str, str], over: threading.Event
        ) -> None:
            connection.sendall(page(path.strip("/")))

        return behave

    return made


def moved(to: str, status: str = "302 Found") -> Callable[[], Behaviour]:
    return says(head(status, f"location: {to}", "content-length: 0"))


def gzip_layers(layers: int, mebibytes: int) -> bytes:
    """Zeros, packed again and again."""
    packed = bytes(mebibytes << 20)
    for _ in range(layers):
        packed = gzip.compress(packed, 9)
    return packed


def numbered_pages(path: str) -> bytes:
    """Pages without end, each with its own address."""
    number = int(path) if path.isdigit() else 0
    return plain(listing(number, next=str(number + 1)))


def drifted_pages(path: str) -> bytes:
    """A second page whose rows are called otherwise."""
    return plain(listing(1, next="more") if path == "list" else b'{"items": [{"sku": "d", "price": "2.5"}]}')


def broken_pages(path: str) -> bytes:
    """A second page that is an error page with status 200."""
    return plain(listing(1, next="more") if path == "list" else b"<html>Service Unavailable</html>")


TRANSIENT, REFUSED, PARSE = "TransientFetchError", "RefusedFetchError", "ParseError"
CHUNKED = ("transfer-encoding: chunked",)
LATIN_1 = '{"offers": [{"sku": "é", "usd": 2.5}, {"sku": "b", "usd": 3}]}'.encode("latin-1")

FAULTS: dict[str, Fault] = {
    # the connection
    "no answer, closed": Fault(says(b""), TRANSIENT),
    "reset before the answer": Fault(then_resets(b""), TRANSIENT),
    "reset in the headers": Fault(then_resets(b"HTTP/1.1 200 OK\r\ncontent-le"), TRANSIENT),
    "reset in the body": Fault(then_resets(plain(GOOD)[:-20]), TRANSIENT),
    "reset in the body once": Fault(then_resets(plain(GOOD)[:-20], then=plain(GOOD)), "accepted"),
    "a pause, then the answer": Fault(late(0.2, plain(GOOD)), "accepted"),
    "no answer, held open": Fault(late(600, b""), TRANSIENT, is_quick=False),
    "not HTTP at all": Fault(says(b"SSH-2.0-OpenSSH_9.2\r\n"), TRANSIENT),
    # lengths
    "length too long": Fault(says(head("200 OK", f"content-length: {len(GOOD) + 9}") + GOOD), TRANSIENT),
    "length too short": Fault(says(head("200 OK", f"content-length: {len(GOOD) - 9}") + GOOD), PARSE),
    "length not a number": Fault(says(head("200 OK", "content-length: many") + GOOD), TRANSIENT),
    "two lengths": Fault(says(plain(GOOD, "content-length: 5")), TRANSIENT),
    "no length": Fault(says(head("200 OK") + GOOD), "accepted"),
    "chunked": Fault(
        says(head("200 OK", *CHUNKED) + b"%x\r\n%s\r\n0\r\n\r\n" % (len(GOOD), GOOD)), "accepted"
    ),
    "chunked, cut off": Fault(says(head("200 OK", *CHUNKED) + b"%x\r\n%s" % (len(GOOD), GOOD)), TRANSIENT),
    "chunks that are no chunks": Fault(says(head("200 OK", *CHUNKED) + b"zz\r\n" + GOOD), TRANSIENT),
    "empty": Fault(says(plain(b"")), TRANSIENT),
    "204": Fault(says(head("204 No Content")), REFUSED),
    "206, a part": Fault(says(plain(GOOD[:40], status="206 Partial Content")), REFUSED),
    "304 that nobody asked for": Fault(says(head("304 Not Modified")), REFUSED),
    # sizes
    "endless body": Fault(drips(head("200 OK"), bytes(1 << 16), seconds=0), REFUSED),
    "endless chunks": Fault(
        drips(head("200 OK", *CHUNKED), b"10000\r\n" + bytes(1 << 16) + b"\r\n", seconds=0), REFUSED
    ),
    "endless header": Fault(drips(b"HTTP/1.1 200 OK\r\nx: ", b"x" * 4096, seconds=0), TRANSIENT),
    "endless headers": Fault(drips(b"HTTP/1.1 200 OK\r\n", b"x: 1\r\n" * 99, seconds=0), TRANSIENT),
    "endless early hints": Fault(
        drips(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", seconds=0), TRANSIENT, is_quick=False
    ),
    "slow drip of a body": Fault(
        drips(head("200 OK", "content-length: 900000"), b" ", seconds=0.05), TRANSIENT, is_quick=False
    ),
    "slow drip of headers": Fault(
        drips(b"HTTP/1.1 200 OK\r\nx: ", b"x", seconds=0.05), TRANSIENT, is_quick=False
    ),
    "gzip bomb, declared": Fault(says(plain(gzip_layers(1, 64), "content-encoding: gzip")), REFUSED),
    "gzip bomb, not declared": Fault(says(plain(gzip_layers(1, 64))), REFUSED),
    "gzip in gzip": Fault(says(plain(gzip_layers(2, 64), "content-encoding: gzip, gzip")), REFUSED),
    "zstd bomb": Fault(
        says(plain(zstandard.ZstdCompressor().compress(bytes(64 << 20)), "content-encoding: zstd")), REFUSED
    ),
    "brotli": Fault(says(plain(GOOD, "content-encoding: br")), REFUSED),
    "deflate": Fault(says(plain(zlib.compress(GOOD), "content-encoding: deflate")), REFUSED),
    "gzip, declared": Fault(says(plain(gzip.compress(GOOD), "content-encoding: gzip")), "accepted"),
    "gzip, not declared": Fault(says(plain(gzip.compress(GOOD))), "accepted"),
    "gzip, cut off": Fault(says(plain(gzip.compress(GOOD)[:-9], "content-encoding: gzip")), REFUSED),
    "gzip, broken": Fault(
        says(plain(gzip.compress(GOOD)[:12] + b"\xff" * 40, "content-encoding: gzip")), REFUSED
    ),
    "called gzip, but plain": Fault(says(plain(GOOD, "content-encoding: gzip")), "accepted"),
    # redirects
    "redirect to the machine's own": Fault(moved("http://127.0.0.1:9/"), REFUSED),
    "redirect to localhost": Fault(moved("https://localhost/list"), REFUSED),
    "redirect to IPv6 loopback": Fault(moved("https://[::1]/list"), REFUSED),
    "redirect to the cloud's metadata": Fault(moved("http://169.254.169.254/latest/meta-data/"), REFUSED),
    "redirect to a private address": Fault(moved("https://10.0.0.1/"), REFUSED),
    "redirect to a number as host": Fault(moved("https://2130706433/"), REFUSED),
    "redirect to a file": Fault(moved("file:///etc/passwd"), REFUSED),
    "redirect to another scheme": Fault(moved("gopher://127.0.0.1/"), REFUSED),
    "redirect to another site": Fault(moved("https://prices.evil/"), REFUSED),
    "redirect to half an address": Fault(moved("http://[::1"), TRANSIENT),
    "redirect to a port that is none": Fault(moved("https://prices.example:99999999/"), REFUSED),
    "redirect to nothing": Fault(says(head("302 Found", "content-length: 0")), REFUSED),
    "redirect loop": Fault(moved("/list"), REFUSED),
    # statuses
    **{
        str(status): Fault(says(plain(b"no", status=f"{status} No")), REFUSED)
        for status in (400, 401, 403, 404, 410, 451)
    },
    **{
        str(status): Fault(says(plain(b"no", status=f"{status} No")), TRANSIENT)
        for status in (408, 500, 502, 503, 504)
    },
    "a burst of 503": Fault(says(*[plain(b"", status="503 Busy")] * 2, plain(GOOD)), "accepted"),
    "429": Fault(says(plain(b"", status="429 Slow")), TRANSIENT),
    "429 once": Fault(says(plain(b"", status="429 Slow"), plain(GOOD)), "accepted"),
    "429 once, with a time to wait": Fault(
        says(plain(b"", "retry-after: 1", status="429 Slow"), plain(GOOD)), "accepted", is_quick=False
    ),
    "429 once, with a date long past": Fault(
        says(plain(b"", "retry-after: Wed, 21 Oct 2015 07:28:00 GMT", status="429 Slow"), plain(GOOD)),
        "accepted",
    ),
    "429 once, with a time that is no number": Fault(
        says(plain(b"", "retry-after: \xb2", status="429 Slow"), plain(GOOD)), "accepted"
    ),
    "429 once, with a time before now": Fault(
        says(plain(b"", "retry-after: -5", status="429 Slow"), plain(GOOD)), "accepted"
    ),
    # types and charsets
    "called HTML": Fault(says(plain(GOOD, "content-type: text/html")), "accepted"),
    "called UTF-16": Fault(says(plain(GOOD, "content-type: application/json; charset=utf-16")), "accepted"),
    "a charset nobody knows": Fault(
        says(plain(GOOD, "content-type: text/plain; charset=klingon")), "accepted"
    ),
    "with a byte order mark": Fault(says(plain(b"\xef\xbb\xbf" + GOOD)), "accepted"),
    "in UTF-16": Fault(says(plain(GOOD.decode().encode("utf-16"))), PARSE),
    "in Latin-1": Fault(says(plain(LATIN_1)), PARSE),
    "NUL bytes": Fault(says(plain(bytes(5000))), PARSE),
    "an error page with status 200": Fault(
        says(plain(b"<html>Maintenance</html>", "content-type: text/html")), PARSE
    ),
    "a header name that is not ASCII": Fault(says(plain(GOOD, "x-\xe9: 1")), TRANSIENT),
    "an ETag that is not ASCII": Fault(says(plain(GOOD, 'etag: "pr\xefx"')), "accepted"),
    # shapes
    "another shape": Fault(says(plain(b'{"prices": []}')), PARSE),
    "rows without their fields": Fault(says(plain(b'{"offers": [{}, {}]}')), PARSE),
    "rows that are no rows": Fault(says(plain(b'{"offers": [1, null, "x"]}')), PARSE),
    "a list of nothing": Fault(says(plain(b'{"offers": []}')), "ContractError"),
    "nested deeply": Fault(says(plain(b"[" * 100_000)), PARSE),
    "a number of 5,000 digits": Fault(
        says(plain(b'{"offers": [{"sku": "a", "usd": ' + b"9" * 5000 + b"}]}")), PARSE
    ),
    "schema drift on the second page": Fault(pages(drifted_pages), PARSE),
    "an error page as the second page": Fault(pages(broken_pages), PARSE),
    "pages without end": Fault(pages(numbered_pages), REFUSED, is_quick=False),
    "a page that follows itself": Fault(pages(lambda path: plain(listing(1, next="list"))), "accepted"),
}

"""Many small markets behind one server on loopback: a path for each, whose prices move when they are told to."""

import json
import random
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from gpuledger.core.contract import Contract
from gpuledger.core.document import Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Fact, Offer
from gpuledger.scrapers.source import Source

GPUS = (
    "NVIDIA H100 80GB HBM3",
    "NVIDIA A100-SXM4-80GB",
    "NVIDIA L40S",
    "NVIDIA GeForce RTX 4090",
    "NVIDIA H200",
)


def parse(document: Document) -> Iterator[Fact]:
    for row in document.json():
        yield Offer(
            provider=document.source,
            sku=row["sku"],
            gpu_label=row["gpu"],
            gpu_count=Decimal(1),
            purchase_option="spot",
            price=Price(amount=Decimal(row["usd"]), unit=Unit.GPU_HOUR),
        )


def market(number: int, every: timedelta) -> Source:
    """A marketplace at a path of its own."""
    name = f"market_{number:03d}"
    return Source(
        name=name,
        homepage="https://markets.example/",
        every=every,
        fresh_for=timedelta(hours=3),
        requests=(Request(url=f"https://{name}.example/{name}"),),
        parse=parse,
        contract=Contract(min_offers=1),
        covers="a test",
        licence="none",
        seconds_between_requests=0,
    )


def markets(count: int, every: timedelta) -> tuple[Source, ...]:
    return tuple(market(number, every) for number in range(count))


@dataclass
class Markets:
    """The server. A market's prices move at each read with this chance, by up to 3 %; ETags and 304 as providers have
    them."""

    moves: float = 0.0
    offers: int = 20
    reads: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    fails: set[str] = field(default_factory=set)
    """Markets that answer 500."""
    delay: threading.Event | None = None
    """Until it is set, no answer."""

    def __post_init__(self) -> None:
        self._chance, self._guard = random.Random(7), threading.Lock()
        self._cents: dict[str, list[int]] = {}
        self._edition: dict[str, int] = defaultdict(int)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.strip("/")
                if outer.delay is not None:
                    outer.delay.wait(30)
                etag, body = outer.answer(name)
                status = 200
                if name in outer.fails:
                    status, body = 500, b"broken"
                elif self.headers.get("if-none-match") == etag:
                    status, body = 304, b""
                self.send_response(status)
                self.send_header("etag", etag)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 512
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda request, client_address: None
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def urls(self, sources: tuple[Source, ...]) -> dict[str, str]:
        return {source.name: self.url for source in sources}

    def answer(self, name: str) -> tuple[str, bytes]:
        with self._guard:
            self.reads[name] += 1
            if name not in self._cents:
                self._cents[name] = [100 + 10 * place for place in range(self.offers)]
            elif self._chance.random() < self.moves:
                cents, place = self._cents[name], self._chance.randrange(self.offers)
                cents[place] = max(50, round(cents[place] * self._chance.uniform(0.97, 1.03)))
                self._edition[name] += 1
            rows = [
                {"sku": f"host-{place}", "gpu": GPUS[place % len(GPUS)], "usd": f"{cents / 100:.2f}"}
                for place, cents in enumerate(self._cents[name])
            ]
            return f'"{name}-{self._edition[name]}"', json.dumps(rows).encode()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

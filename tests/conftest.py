"""What several folders of tests share: a home, a clock that stands still, and a provider on loopback."""

import gc
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import settings

from gpuledger.core.store import catalogue
from gpuledger.core.store.home import Home
from gpuledger.core.store.shared import lake
from gpuledger.core.store.sql import say_that_pandas_is_missing
from tests.depth import HYPOTHESIS_EXAMPLES, examples
from tests.postgres import NoServerError, Server, server

# A hook: workers gather the tables, the process that started them prints them.
from tests.sources.summary import pytest_terminal_summary as pytest_terminal_summary
from tests.template import templates as templates

# Most tests count what a small ledger holds; those of the bundled history turn it on.
os.environ["GPULEDGER_BUNDLED_HISTORY"] = "off"

# As the commands do: DuckDB looks for it at each list of values.
say_that_pandas_is_missing()

# Shared machines pause at will; how long an example took says nothing about the code.
settings.register_profile("shared", deadline=None, max_examples=examples(HYPOTHESIS_EXAMPLES))
settings.load_profile("shared")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Iterator[None]:
    """Collect the tests without looking for garbage: to walk over all modules and tests again and again takes a third
    of it, and they stay until the end, so later walks leave them out."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@dataclass
class Clock:
    """A clock that tests set; it moves only when told."""

    now: datetime = datetime(2026, 10, 7, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut_at: int | None = None
    """Close the connection after so many bytes of the body."""


@dataclass
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Provider:
    """A real HTTP server on loopback whose answers a test decides."""

    def __init__(self) -> None:
        self.answer: Callable[[Seen], Answer] = lambda seen: Answer(404)
        self.seen: list[Seen] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                seen = Seen(self.command, self.path, dict(self.headers.items()), self.rfile.read(length))
                provider.seen.append(seen)
                answer = provider.answer(seen)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(answer.body)))
                self.end_headers()
                if answer.cut_at is not None:
                    self.wfile.write(answer.body[: answer.cut_at])
                    self.close_connection = True
                elif self.command != "HEAD" and answer.status != 304:
                    self.wfile.write(answer.body)

            do_GET = do_POST = _serve

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # A client that hangs up is part of some tests, not an error to print.
        self._server.handle_error = lambda request, client_address: None
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def always(self, body: bytes, **more: object) -> None:
        self.answer = lambda seen: Answer(body=body, **more)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def provider() -> Iterator[Provider]:
    server = Provider()
    yield server
    server.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture(scope="session")
def _postgres() -> Iterator[Server | str]:
    try:
        with server() as made:
            yield made
    except NoServerError as error:
        yield str(error)


@pytest.fixture
def postgres(_postgres: Server | str, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server on loopback, one for the session; where there is none the test is left out."""
    if isinstance(_postgres, str):
        pytest.skip(_postgres)
    # To check the signatures of both extensions takes 0.2 s; one test does (test_lake.py).
    monkeypatch.setitem(catalogue.WITH_EXTENSIONS, "allow_unsigned_extensions", True)
    return _postgres


@pytest.fixture(params=["duckdb", pytest.param("ducklake", marks=pytest.mark.shared_store)])
def either_home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    """A home with its own store, and one that follows a shared one."""
    if request.param == "duckdb":
        yield Home(tmp_path / "home")
        return
    address = request.getfixturevalue("postgres").empty_lake(tmp_path / "shared")
    yield Home(tmp_path / "home", lake=address)
    lake.close(address)
    catalogue.hang_up(address)

"""Real servers on loopback over real ledgers."""

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from gpuledger.core.price_watch import PriceWatch
from gpuledger.core.store.home import Home
from gpuledger.flows.watch import keep
from tests.interface.server.house import OVERRIDES, House, doors, written_plans
from tests.interface.server.large_ledger import NOW, fill
from tests.template import copy_once, made_once, start_bundled


@dataclass
class Served:
    """A running server: its address, its ledger, and its clock."""

    url: str
    home: Home
    clock: Callable[[], datetime]

    def client(self, **more: object) -> httpx.Client:
        # to read the certificates of the world takes longer than most answers
        return httpx.Client(base_url=self.url, timeout=30, verify=False, **more)


@contextmanager
def serving(app: object, *, send_buffer: int | None = None, **more: object) -> Iterator[str]:
    """The address of an ASGI application under uvicorn, in a thread.

    Args:
        send_buffer: bytes of an answer that the kernel takes before the client reads; millions without.
    """
    import uvicorn

    listener = socket.socket()
    if send_buffer is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, log_level="critical", access_log=False, proxy_headers=False, lifespan="on", **more
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.started, "the server did not start"
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="session")
def market_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """1,200 made-up offers of 20 providers with 60 days of prices. Only to be read."""

    def make(folder: Path) -> None:
        fill(Home(folder), now=NOW, offers=1200, days=60)
        keep(Home(folder), [PriceWatch(gpu="H100-SXM", below=Decimal("0.50"))])

    return Home(copy_once("market", make, tmp_path_factory.mktemp("market")))


@pytest.fixture(scope="session")
def list_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The bundled price list, taken through the whole program. Only to be read."""
    return Home(start_bundled(tmp_path_factory.mktemp("bundled"), now=NOW))


@pytest.fixture(scope="session")
def market(market_home: Home) -> Iterator[Served]:
    from gpuledger.web.application import create_app
    from gpuledger.web.gate import GateSettings

    app = create_app(market_home, settings=GateSettings(requests_per_second=0), clock=lambda: NOW, environ={})
    with serving(app) as url:
        yield Served(url, market_home, lambda: NOW)


@pytest.fixture(scope="session")
def bundled(list_home: Home) -> Iterator[Served]:
    from gpuledger.web.application import create_app
    from gpuledger.web.gate import GateSettings

    app = create_app(list_home, settings=GateSettings(requests_per_second=0), clock=lambda: NOW, environ={})
    with serving(app) as url:
        yield Served(url, list_home, lambda: NOW)


@pytest.fixture
def client(market: Served) -> Iterator[httpx.Client]:
    with market.client() as found:
        yield found


@pytest.fixture(scope="session")
def _small_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    make = lambda folder: fill(Home(folder), now=NOW, offers=120, days=10)  # noqa: E731
    return Home(made_once("small-market", make))


@pytest.fixture
def served_home(_small_home: Home, tmp_path: Path) -> Home:
    """A small market of one's own, to publish into."""
    shutil.copytree(_small_home.path, tmp_path / "own")
    return Home(tmp_path / "own")


@pytest.fixture(scope="session")
def own_terms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    path = tmp_path_factory.mktemp("terms") / "overrides.toml"
    path.write_text(OVERRIDES)
    return {"GPULEDGER_OVERRIDES": str(path)}


@pytest.fixture(scope="session")
def plan_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written_plans(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="session")
def list_doors(market_home: Home) -> tuple[TestClient, Any]:
    return doors(market_home, {})


@pytest.fixture(scope="session")
def own_doors(market_home: Home, own_terms: dict[str, str]) -> tuple[TestClient, Any]:
    return doors(market_home, own_terms)


@pytest.fixture
def house(
    market_home: Home,
    plan_files: Path,
    list_doors: tuple[TestClient, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> House:
    return House(market_home.path, plan_files, {}, *list_doors, monkeypatch)


@pytest.fixture
def own_house(
    market_home: Home,
    plan_files: Path,
    own_terms: dict[str, str],
    own_doors: tuple[TestClient, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> House:
    """The same ledger with a discount, a credit and owned machines."""
    return House(market_home.path, plan_files, own_terms, *own_doors, monkeypatch)

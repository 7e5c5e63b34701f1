"""Queries that want the whole machine, at the page's door: each ends, and the server goes on meanwhile."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from gpuledger.core.errors import StoreBusyError, UsageError
from gpuledger.ledger import Ledger
from gpuledger.questions.reader import QueryLimits
from gpuledger.web.application import create_app
from gpuledger.web.gate import GateSettings
from tests.interface.server.conftest import Served, serving
from tests.interface.server.large_ledger import NOW

AT_ONCE = 2
LONG = "select length(repeat('x', 2000000000))"


@pytest.fixture(scope="module")
def impatient(market_home) -> Iterator[Served]:
    limits = QueryLimits(seconds=0.5, wait_seconds=0.1, at_once=AT_ONCE, threads=2)
    settings = GateSettings(requests_per_second=0)
    app = create_app(market_home, settings=settings, clock=lambda: NOW, environ={}, query_limits=limits)
    with serving(app) as url:
        yield Served(url, market_home, lambda: NOW)


def test_a_query_that_cannot_be_interrupted_ends_and_others_are_answered_meanwhile(impatient):
    with impatient.client() as client, ThreadPoolExecutor() as pool:
        asked = pool.submit(client.post, "/sql", data={"q": LONG, "run": "1"})
        while not asked.done():
            assert impatient.client().get("/v1/offers?limit=1").status_code == 200
        assert "sql: stopped after 0.5 s" in asked.result().text
        assert client.get("/healthz").status_code == 200


def test_no_more_queries_than_a_machine_bears_run_at_once(impatient):
    """The others wait in line at the gate, and each is answered."""
    begun = threading.Barrier(6)

    def ask(_: int) -> str:
        with impatient.client() as client:
            begun.wait()
            return client.post("/sql", data={"q": LONG, "run": "1"}).text

    began = time.monotonic()
    with ThreadPoolExecutor(6) as pool:
        texts = list(pool.map(ask, range(6)))
    assert time.monotonic() - began < 20
    stopped = sum("sql: stopped after 0.5 s" in text for text in texts)
    assert stopped == len(texts)


@pytest.mark.deep
def test_past_the_line_a_query_beyond_those_at_once_is_told_to_come_again(market_home):
    limits = QueryLimits(seconds=2.0, wait_seconds=0.1, at_once=AT_ONCE, threads=2)
    ledger = Ledger(market_home, clock=lambda: NOW, environ={}, query_limits=limits)

    def ask(_: int) -> str:
        try:
            ledger.query(LONG)
        except (UsageError, StoreBusyError) as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(ask, range(5)))
    assert sum("queries run already, as many as may at once (2)" in answer for answer in answers) >= 1
    assert sum("stopped after 2 s" in answer for answer in answers) >= AT_ONCE

"""Queries that want the whole machine, at the page's door: each ends, and the server goes on meanwhile."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from gpuledger import desk

LONG = "select length(repeat('x', 2000000000))"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "SQL_SECONDS", 0.5)
    monkeypatch.setattr(desk, "SQL_WAIT_SECONDS", 0.1)


def test_a_query_that_cannot_be_interrupted_ends_and_others_are_answered_meanwhile(market, impatient):
    with market.client() as client, ThreadPoolExecutor() as pool:
        asked = pool.submit(client.post, "/sql", data={"q": LONG, "run": "1"})
        while not asked.done():
            assert market.client().get("/v1/offers?limit=1").status_code == 200
        assert "sql: stopped after 0.5 s" in asked.result().text
        assert client.get("/healthz").status_code == 200


def test_no_more_queries_than_a_machine_bears_run_at_once(market, impatient):
    """The others are told to come again; none waits for longer than a query may take."""
    begun = threading.Barrier(6)

    def ask(_: int) -> str:
        with market.client() as client:
            begun.wait()
            return client.post("/sql", data={"q": LONG, "run": "1"}).text

    began = time.monotonic()
    with ThreadPoolExecutor(6) as pool:
        texts = list(pool.map(ask, range(6)))
    assert time.monotonic() - began < 20
    stopped = sum("sql: stopped after 0.5 s" in text for text in texts)
    refused = sum("sql: 2 queries run already" in text for text in texts)
    assert stopped >= desk.SQL_AT_ONCE
    assert refused >= 1
    assert stopped + refused == len(texts)

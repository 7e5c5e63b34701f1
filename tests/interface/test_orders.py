"""What is sold per GPU answers a question for eight of them with eight and their price, at every door."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from gpuledger import Ledger, gpuhunt
from gpuledger.core.store.home import Home
from gpuledger.flows.lists import load_bundled
from gpuledger.flows.pipeline import Ledger as Store
from gpuledger.scrapers.registry import SOURCES
from gpuledger.web.application import create_app
from gpuledger.web.gate import GateSettings

NOW = datetime(2026, 11, 20, tzinfo=UTC)
COMMUNITY = Decimal("2.69")
"""RunPod's community price of one H100 SXM in the bundled list."""


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    home = Home(Path(tmp_path_factory.mktemp("bundled")))
    load_bundled(Store(home=home, sources=SOURCES, clock=lambda: NOW))
    return Ledger(home, clock=lambda: NOW, environ={})


def runpod(rows) -> tuple[str, Decimal, Decimal, Decimal]:
    row = next(row for row in rows if row["provider"] == "runpod" and row["tier"] == "community")
    return row["instance_type"], *(
        Decimal(row[name]) for name in ("gpu_count", "usd_per_hour", "usd_per_gpu_hour")
    )


EIGHT = ("NVIDIA H100 80GB HBM3", Decimal(8), 8 * COMMUNITY, COMMUNITY)


@pytest.mark.parametrize(
    "rows",
    [
        lambda ledger: ledger.offers("H100-SXM:8"),
        lambda ledger: ledger.offers("H100-SXM:8", as_of="2026-11-09"),
        lambda ledger: ledger.cheapest("H100-SXM:8"),
        lambda ledger: over_http(ledger, "/v1/offers"),
        lambda ledger: over_http(ledger, "/v1/offers/cheapest"),
    ],
    ids=["offers", "offers of a past day", "cheapest", "REST offers", "REST cheapest"],
)
def test_eight_of_what_is_sold_per_gpu_are_eight_with_their_price(ledger, rows):
    assert runpod(rows(ledger)) == EIGHT


def over_http(ledger: Ledger, path: str) -> list[dict]:
    settings = GateSettings(requests_per_second=0)
    with TestClient(create_app(ledger.home, settings=settings, clock=lambda: NOW, environ={}), base_url="http://127.0.0.1") as client:
        return client.get(path, params={"gpu": "H100-SXM:8"}).json()["offers"]


def test_the_price_of_eight_is_what_a_quote_pays(ledger):
    answer = ledger.quote("llama-3-8b-lora", gpu="H100-SXM:8", providers=("runpod",), tiers=("community",))
    assert answer.quotes[0].purchase.usd_per_hour == 8 * COMMUNITY


def test_without_a_count_it_is_one_gpu(ledger):
    assert runpod(ledger.offers("H100-SXM"))[1:3] == (1, COMMUNITY)


def test_the_same_is_true_in_the_words_of_gpuhunt(ledger):
    rows = gpuhunt.offers(gpu_name="H100", provider="runpod", min_gpu_count=8, ledger=ledger)
    assert {(row.gpu_count, row.price / float(row.offer.usd_per_gpu_hour)) for row in rows} == {(8.0, 8.0)}


def test_a_limit_on_the_hour_is_one_on_the_order(ledger):
    at_most = [
        ledger.offers("H100-SXM:8", providers=("runpod",), max_price=usd) for usd in ("21.51", "21.52")
    ]
    assert [len(rows) for rows in at_most] == [0, 1]


def test_a_fleet_larger_than_is_sold_at_once_is_not_offered(ledger):
    assert not [row for row in ledger.offers("H100-SXM:4096") if row["provider"] == "runpod"]


def test_choosing_accelerators_before_reading_the_past_changes_no_row(ledger):
    with ledger.connect() as connection:
        rows = {
            macro: connection.execute(
                f"select * from {macro} where gpu_id = 'h100-sxm-80gb' order by all"
            ).fetchall()
            for macro in (
                "offers_as_of(timestamptz '2026-10-10')",
                "offers_of_as_of(['h100-sxm-80gb'], timestamptz '2026-10-10')",
            )
        }
    one, other = rows.values()
    assert one and one == other

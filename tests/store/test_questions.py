# ruff: noqa: E501 - rows of tables
"""The saved questions of analysts, each on one small ledger with the rows it must give.

The ledger: RunPod's H100 and A100 read directly on three days of October 2026 (one sells out, one goes away), AWS
on demand, spot and reserved from a change list with the cut of June 2025, and one RunPod price that an archive saw
differently. `GPULEDGER_WRITE_GOLDEN=1` writes the expected rows again; read the diff before you keep it.
"""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from gpuledger.core.contract import Contract
from gpuledger.core.document import Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Availability, Fact, Offer
from gpuledger.core.store import sql
from gpuledger.core.store.archive import Manifest, run_id
from gpuledger.core.store.publish import reading
from gpuledger.flows.imports import import_files
from gpuledger.flows.pipeline import LedgerWriter, read_run, record_runs
from gpuledger.scrapers.archives.registry import ARCHIVES, archive
from gpuledger.scrapers.source import Source

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "questions"
QUESTIONS = sorted(name for name in sql.files("queries") if "/question_" in name)
NOW = datetime(2026, 10, 8, 12, tzinfo=UTC)

PARAMETERS: dict[str, object] = {
    "gpu_id": "h100-sxm-80gb",
    "as_of": "2025-06-01 00:00:00+00",
    "since": "2026-01-01 00:00:00+00",
    "until": "2026-10-08 12:00:00+00",
    "month": "2026-10-01",
    "max_rows": 5,
}

DAYS = [
    {"NVIDIA H100 80GB HBM3": ("2.99", "available"), "NVIDIA A100 80GB PCIe": ("1.64", "available"), "Mystery X9": ("1", "available")},
    {"NVIDIA H100 80GB HBM3": ("2.69", "available"), "NVIDIA A100 80GB PCIe": ("1.74", "sold_out")},
    {"NVIDIA H100 80GB HBM3": ("2.69", "available"), "NVIDIA A100 80GB PCIe": ("1.74", "sold_out")},
]  # fmt: skip

CHANGES = """observed_at,event,provider,instance_type,region,price_usd_hour,purchase_option
2025-01-01,baseline,aws,p5.48xlarge,us-east-1,98.32,on_demand
2025-06-23,changed,aws,p5.48xlarge,us-east-1,55.04,on_demand
2025-06-23,added,aws,p5.48xlarge,us-west-2,57.00,on_demand
2025-06-23,added,aws,p5.48xlarge,us-east-1,22.016,spot
2025-06-23,added,aws,p5.48xlarge,us-east-1,33.024,36mo
2025-01-01,baseline,aws,p4d.24xlarge,us-east-1,32.77,on_demand
2026-02-01,removed,aws,p4d.24xlarge,us-east-1,,on_demand
"""

OTHERS = """observed_at,provider,sku,region,tier,gpu_label,gpu_count,gpu_memory_gib,usd_per_gpu_hour
2026-10-07T00:00:00Z,runpod,NVIDIA H100 80GB HBM3,global,secure,NVIDIA H100 80GB HBM3,1,80,2.79
"""


def parse(document: Document) -> Iterator[Fact]:
    for label, (usd, stock) in document.json().items():
        yield Offer(
            provider="runpod",
            sku=label,
            tier="secure",
            gpu_label=label,
            gpu_count=Decimal(1),
            gpu_memory_gib=Decimal(80),
            purchase_option="on_demand",
            price=Price(amount=Decimal(usd), unit=Unit.GPU_HOUR),
            availability=Availability(stock),
        )


SOURCE = Source(
    name="runpod",
    provider="runpod",
    homepage="https://prices.example/",
    every=timedelta(hours=1),
    fresh_for=timedelta(hours=3),
    requests=(Request(url="https://prices.example/list"),),
    parse=parse,
    contract=Contract(min_offers=1),
    licence="none",
)


@pytest.fixture(scope="module", params=["duckdb", pytest.param("ducklake", marks=pytest.mark.shared_store)])
def ledger(request, tmp_path_factory, books_in) -> LedgerWriter:
    folder = tmp_path_factory.mktemp("questions")
    clock = lambda: NOW  # noqa: E731
    home = books_in(folder, request.param).home
    ledger = LedgerWriter(home=home, sources=(SOURCE, *ARCHIVES), clock=clock)
    ledger.home.create()
    for number, day in enumerate(DAYS):
        at = datetime(2026, 10, 5 + number, 6, tzinfo=UTC)
        document = Document(
            source="runpod", request=SOURCE.requests[0], body=json.dumps(day).encode(), fetched_at=at
        )
        manifest = Manifest(
            run_id=run_id("runpod", at),
            source="runpod",
            started_at=at,
            observed_at=at,
            documents=(ledger.archive.put(document),),
        )
        ledger.archive.write_manifest(manifest)
        record_runs(ledger, [read_run(ledger, manifest)], do_publish=False)
    # what the change list has in force is still on sale today
    covers = {"covers": "2025-01-01..2026-10-07"}
    for name, text, context in (("changes.csv", CHANGES, covers), ("others.csv", OTHERS, {})):
        (folder / name).write_text(text)
        import_files(ledger, archive("changes"), [folder / name], context=context)
    return ledger


def answer(ledger: LedgerWriter, name: str) -> list[dict[str, object]]:
    with reading(ledger.home) as connection:
        (only,) = connection.extract_statements(sql.text(name))
        given = {key: value for key, value in PARAMETERS.items() if key in only.named_parameters}
        if "price_id" in only.named_parameters:
            row = connection.execute(
                "select price_id from offer_latest where provider = 'runpod' and gpu_id = 'h100-sxm-80gb'"
            ).fetchone()
            given["price_id"] = row[0]
        rows = sql.rows(connection, name, given)
    return json.loads(json.dumps(rows, default=str))


def test_each_question_has_one_golden_file():
    assert len(QUESTIONS) >= 19
    assert {path.stem for path in GOLDEN.glob("*.json")} == {name.rpartition("/")[2] for name in QUESTIONS}


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_saved_question_gives_its_rows(ledger, name):
    path = GOLDEN / f"{name.rpartition('/')[2]}.json"
    found = answer(ledger, name)
    if os.environ.get("GPULEDGER_WRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("[\n" + ",\n".join(" " + json.dumps(row) for row in found) + "\n]\n")
    assert found == json.loads(path.read_text())
    assert found, "a question without an answer proves nothing"

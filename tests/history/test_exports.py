"""What we export is read again as the same prices: by our own importers, and by the programs it is for."""

import csv
import json
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

import gpuledger
from gpuledger.core.document import Document, Request
from gpuledger.core.errors import UsageError
from gpuledger.core.offer import Offer
from gpuledger.exports.export import export
from gpuledger.exports.names import gpuhunt_name, skypilot_name
from gpuledger.scrapers.archives import gpuhunt, skypilot

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture
def ledger(list_home) -> gpuledger.Ledger:
    return gpuledger.Ledger(list_home.path, clock=lambda: NOW, environ={})


def document(source: str, path: Path, **context: str) -> Document:
    request = Request(url=f"file:{'/'.join(path.parts[-4:])}", context=context)
    return Document(source=source, request=request, body=path.read_bytes(), fetched_at=NOW)


@pytest.mark.parametrize(
    ("gpu_id", "sky", "hunt"),
    [
        ("h100-sxm-80gb", "H100", "H100"),
        ("h100-nvl-94gb", "H100-94GB-NVL", "H100NVL"),
        ("a100-sxm-80gb", "A100-80GB", "A100"),
        ("a100-pcie-40gb", "A100", "A100"),
        ("v100-sxm-32gb", "V100-32GB", "V100"),
        ("rtx-4090-24gb", "RTX4090", "RTX4090"),
        ("l40s-48gb", "L40S", "L40S"),
        ("mi300x-192gb", "MI300X", "MI300X"),
        ("rtx-a6000-48gb", "RTX-A6000", "A6000"),
        ("rtx-4080-super-16gb", "RTX4080-Super", "RTX4080SUPER"),
        ("gaudi2-96gb", "GAUDI2", "Gaudi2"),
        ("tpu-v5e-16gb", "TPU-V5E", "v5litepod"),
    ],
)
def test_an_accelerator_has_the_name_that_the_other_program_has_for_it(gpu_id, sky, hunt):
    assert (skypilot_name(gpu_id), gpuhunt_name(gpu_id)) == (sky, hunt)


def listed(ledger: gpuledger.Ledger, *, without: tuple[str, ...] = ()) -> Counter:
    """Prices per instance and hour that a catalogue can hold."""
    return Counter(
        (
            row["provider"],
            row["instance_type"],
            row["region"],
            row["purchase_option"],
            Decimal(row["usd_per_hour"]),
        )
        for row in ledger.offers()
        if row["purchase_option"] in ("on_demand", "spot")
        and row["gpu_id"]
        and row["provider"] not in without
    )


def read_back(facts) -> Counter:
    offers = [fact for fact in facts if isinstance(fact, Offer)]
    return Counter(
        (offer.provider, offer.sku, offer.region, offer.purchase_option.value, offer.price.amount)
        for offer in offers
    )


def test_skypilots_files_are_read_again_as_the_same_prices(ledger, tmp_path):
    rows, left = export(ledger, tmp_path, "skypilot")
    found: Counter = Counter()
    for row in rows:
        path = Path(row["file"])
        found += read_back(skypilot.parse(document("skypilot", path, observed_at="2026-11-29")))
    # of two tiers or labels of one machine the catalogue keeps the cheaper, in one row
    assert set(found) <= set(listed(ledger, without=("gcp",)))
    assert len(found) > 40
    assert left["Google's rows part host and accelerator, and no source states the parts"] == len(
        [
            row
            for row in ledger.offers()
            if row["provider"] == "gcp" and row["purchase_option"] in ("on_demand", "spot")
        ]
    )


def test_gpuhunts_files_are_read_again_as_the_same_prices(ledger, tmp_path):
    rows, left = export(ledger, tmp_path, "gpuhunt")
    found: Counter = Counter()
    for row in rows:
        if row["file"].endswith("catalog.zip"):
            assert "/20261129/" in row["file"]
            found += read_back(gpuhunt.parse(document("gpuhunt", Path(row["file"]))))
    assert set(found) <= set(listed(ledger))
    assert len(found) > 5
    assert left["processors or memory are not published, and gpuhunt needs both"] > 0


def test_an_export_made_twice_is_the_same_bytes(ledger, tmp_path):
    for form in ("skypilot", "gpuhunt", "dstack", "opencost", "focus", "prometheus"):
        files = [
            [Path(row["file"]) for row in export(ledger, tmp_path / str(time) / form, form)[0]]
            for time in (1, 2)
        ]
        assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]], form


@pytest.mark.parametrize(
    ("form", "columns"),
    [
        ("skypilot", ("vCPUs", "MemoryGiB", "AcceleratorCount", "Price", "SpotPrice")),
        ("gpuhunt", ("price", "cpu", "memory", "gpu_count", "gpu_memory", "disk_size")),
        ("opencost", ("MarketPriceHourly",)),
        ("focus", ("ListUnitPrice", "x_GpuCount")),
    ],
)
def test_every_number_is_one_to_the_program_that_reads_it(ledger, tmp_path, form, columns, monkeypatch):
    """2,048 GiB is no number to a reader of CSV, and a machine may cost more than 1,000 USD an hour."""
    rows = [
        {**row, "usd_per_hour": Decimal("1234.5")} if row["instance_type"] == "p5.48xlarge" else row
        for row in ledger.offers()
    ]
    monkeypatch.setattr(ledger, "offers", lambda: rows)
    path = tmp_path if form in ("skypilot", "gpuhunt") else tmp_path / "out.csv"
    files = [Path(row["file"]) for row in export(ledger, path, form)[0] if row["file"].endswith(".csv")]
    cells = [
        row[name]
        for file in files
        for row in csv.DictReader(file.read_text().splitlines())
        for name in columns
    ]
    assert [cell for cell in cells if cell and not cell.replace(".", "", 1).isdigit()] == []
    if form == "skypilot":
        machine = next(
            row
            for file in files
            for row in csv.DictReader(file.read_text().splitlines())
            if row["InstanceType"] == "p5.48xlarge"
        )
        assert (machine["MemoryGiB"], machine["Price"]) == ("2048", "1234.5")


def test_dstacks_offers_begin_with_the_cheapest(ledger, tmp_path):
    export(ledger, tmp_path / "offers.json", "dstack")
    content = json.loads((tmp_path / "offers.json").read_text())
    prices = [offer["price"] for offer in content["offers"]]
    assert prices == sorted(prices)
    assert len(prices) == content["total_offers"] > 50


def test_opencosts_nodes_are_found_by_their_label(ledger, tmp_path):
    export(ledger, tmp_path / "prices.csv", "opencost")
    rows = list(csv.DictReader((tmp_path / "prices.csv").read_text().splitlines()))
    (row,) = [row for row in rows if row["InstanceType"] == "p5.48xlarge" and row["Region"] == "us-east-1"]
    assert row["InstanceIDField"] == "metadata.labels.node.kubernetes.io/instance-type"
    assert row["MarketPriceHourly"] == "55.04"


def test_focus_rows_are_what_is_on_sale_at_its_list_price(ledger, tmp_path):
    export(ledger, tmp_path / "focus.csv", "focus")
    rows = {
        row["SkuPriceId"]: row for row in csv.DictReader((tmp_path / "focus.csv").read_text().splitlines())
    }
    shown = {row["offer_id"]: row for row in ledger.offers()}
    assert rows.keys() == shown.keys()
    assert all(Decimal(rows[key]["ListUnitPrice"]) == shown[key]["amount"] for key in rows)
    assert {row["PricingCategory"] for row in rows.values()} <= {"Standard", "Dynamic", "Committed"}


def test_the_text_file_has_the_cheapest_of_each(ledger, tmp_path):
    export(ledger, tmp_path / "gpu.prom", "prometheus")
    text = (tmp_path / "gpu.prom").read_text()
    cheapest = ledger.cheapest("h100-sxm-80gb")[0]
    line = next(
        line
        for line in text.splitlines()
        if 'gpu_id="h100-sxm-80gb"' in line
        and f'provider="{cheapest["provider"]}"' in line
        and "on_demand" in line
    )
    assert Decimal(line.rpartition(" ")[2]) == cheapest["usd_per_gpu_hour"]


def test_an_unknown_form_is_refused_with_those_that_there_are(ledger, tmp_path):
    with pytest.raises(UsageError, match=r"--as: 'excel' is none of parquet, duckdb, skypilot"):
        export(ledger, tmp_path, "excel")


READ_SKYPILOT = """
import json, sys
from sky.catalog import common
found = []
for cloud in sys.argv[1:]:
    df = common.read_catalog(f"{cloud}/vms.csv")
    for name, offers in common.list_accelerators_impl(
        cloud, df, gpus_only=True, name_filter="^H100$", region_filter=None, quantity_filter=None, all_regions=True
    ).items():
        found += [(o.price / o.accelerator_count, cloud, o.instance_type) for o in offers if o.price == o.price]
print(json.dumps(min(found)))
"""

READ_GPUHUNT = """
import json, sys
from gpuhunt import Catalog
catalog = Catalog(balance_resources=False, auto_reload=False)
catalog.load()
items = catalog.query(provider=sys.argv[1:], gpu_name="H100", spot=False)
best = min(items, key=lambda item: item.price / item.gpu_count)
print(json.dumps([best.price / best.gpu_count, best.provider, best.instance_name]))
"""


@pytest.fixture(scope="session")
def peers(tmp_path_factory) -> Path:
    """An environment with both programs, as their users install them."""
    place = tmp_path_factory.mktemp("peers")
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    subprocess.run([place / "bin" / "pip", "install", "--quiet", "gpuhunt", "skypilot"], check=True)
    return place / "bin" / "python"


def ask(python: Path, code: str, *arguments: str, home: Path, **environ: str) -> list:
    done = subprocess.run(
        [python, "-c", code, *arguments], env={"HOME": str(home), "PATH": "/usr/bin:/bin", **environ},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.peers
def test_skypilot_reads_our_files_and_names_the_same_cheapest_h100(ledger, peers, tmp_path):
    rows, _ = export(ledger, tmp_path / ".sky", "skypilot")
    clouds = [Path(row["file"]).parent.name for row in rows]
    known = [
        cloud for cloud in clouds if cloud in {"aws", "azure", "lambda", "runpod", "nebius", "oci", "verda"}
    ]
    usd, cloud, machine = ask(peers, READ_SKYPILOT, *known, home=tmp_path)
    offers = [
        (float(row["usd_per_gpu_hour"]), row["provider"], row["instance_type"])
        for row in ledger.offers()
        if row["gpu_id"] and skypilot_name(row["gpu_id"]) == "H100" and row["purchase_option"] == "on_demand"
        and row["provider"] in known
    ]  # fmt: skip
    best = min(offers)
    assert (round(usd, 6), cloud, machine) == (round(best[0], 6), best[1], best[2])


@pytest.mark.peers
def test_gpuhunt_reads_our_files_and_names_the_same_cheapest_h100(ledger, peers, tmp_path):
    from gpuledger.exports.names import GPUHUNT_PROVIDERS

    rows, _ = export(ledger, tmp_path / "v3", "gpuhunt")
    known = sorted(
        {Path(row["file"]).stem for row in rows if row["file"].endswith(".csv")}
        & {"aws", "azure", "gcp", "oci"}
    )
    url = (tmp_path / "v3").as_uri()
    usd, provider, machine = ask(peers, READ_GPUHUNT, *known, home=tmp_path, GPUHUNT_CATALOG_URL=url)
    offers = [
        (float(row["usd_per_gpu_hour"]), row["provider"], row["instance_type"])
        for row in ledger.offers()
        if row["gpu_id"] and gpuhunt_name(row["gpu_id"]) == "H100" and row["purchase_option"] == "on_demand"
        and GPUHUNT_PROVIDERS.get(row["provider"], row["provider"]) in known and row["gpu_count"] >= 1
    ]  # fmt: skip
    # of machines at one price per GPU either may come first
    best = {(round(offer[0], 6), *offer[1:]) for offer in offers if offer[0] == min(offers)[0]}
    assert (round(usd, 6), provider, machine) in best

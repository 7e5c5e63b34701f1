"""gpuhunt's own query and ours over the same rows: one answer, or a difference that docs/python.md explains."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import gpuledger
from gpuledger.core.errors import UnknownGPUError
from gpuledger.core.store.publish import publish
from gpuledger.exports.export import export
from gpuledger.exports.names import GPUHUNT_PROVIDERS
from gpuledger.gpuhunt import CatalogOffer, offers
from tests.evidence.stage import START, stage_in

SOURCES = (
    *("aws_on_demand", "aws_spot", "azure_retail", "cloudrift", "gcp_page", "lambda_cloud", "nebius"),
    *("oci_price_list", "runpod", "verda"),
)
OFFLINE = ("aws", "azure", "cloudrift", "gcp", "lambdalabs", "nebius", "oci", "runpod", "verda")
"""Providers of whose catalogue gpuhunt reads a file; the others it asks over the network."""

QUERY = """
import ast, json, sys
from gpuhunt import Catalog
catalog = Catalog(balance_resources=False, auto_reload=False)
catalog.load()
answers = []
for query in ast.literal_eval(sys.stdin.read()):
    try:
        items = catalog.query(**query)
    except ValueError as error:
        answers.append(str(error))
    else:
        answers.append(sorted(item.provider_data["offer_id"] for item in items))
print(json.dumps(answers))
"""

CARDS = (
    *(
        "H100",
        "h100",
        "H200",
        "B200",
        "A100",
        "A10",
        "A10G",
        "L4",
        "L40S",
        "T4",
        "V100",
        "P100",
        "K80",
        "MI300X",
    ),
    *("RTX4090", "RTX6000", "A4000", "H100NVL", "GH200", "GB200"),
)
QUERIES: tuple[dict[str, Any], ...] = (
    {},
    {"spot": True},
    {"spot": False},
    {"spot": None},
    *({"gpu_name": name} for name in CARDS),
    {"gpu_name": ["H100", "A100"]},
    {"gpu_name": ["L4", "t4"], "spot": True},
    *({"gpu_name": name, "spot": False} for name in ("H100", "A100", "L4", "V100")),
    *({"gpu_name": "H100", "min_gpu_count": count} for count in (1, 2, 4, 8, 16)),
    *({"gpu_name": "A100", "max_gpu_count": count} for count in (1, 4)),
    {"gpu_name": "A100", "min_gpu_memory": 80},
    {"gpu_name": "A100", "max_gpu_memory": 40},
    {"gpu_name": "V100", "min_gpu_memory": 32},
    *({"min_gpu_memory": size} for size in (16, 24, 48, 80, 94, 141, 192)),
    *({"max_gpu_memory": size} for size in (16, 40)),
    {"min_gpu_memory": 24, "max_gpu_memory": 48},
    *({"min_total_gpu_memory": size} for size in (160, 320, 640)),
    {"max_total_gpu_memory": 48},
    *({"min_gpu_count": count} for count in (1, 2, 8)),
    *({"max_gpu_count": count} for count in (1, 4)),
    {"min_gpu_count": 2, "max_gpu_count": 4},
    *({"min_cpu": cores} for cores in (8, 64, 192)),
    {"max_cpu": 32},
    *({"min_memory": size} for size in (32, 512)),
    {"max_memory": 128},
    {"min_disk_size": 100},
    {"max_disk_size": 1000},
    *({"min_price": usd} for usd in (1, 20)),
    *({"max_price": usd} for usd in (0.5, 2, 30)),
    {"min_price": 1, "max_price": 5, "gpu_name": "A100"},
    *({"gpu_vendor": vendor} for vendor in ("nvidia", "NVIDIA", "amd", "google", "intel")),
    {"gpu_vendor": "amd", "spot": False},
    {"cpu_arch": "x86"},
    {"cpu_arch": "arm"},
    *({"min_compute_capability": least} for least in ("7.0", "8.0", (8, 0), "9.0", "10.0")),
    {"max_compute_capability": "7.5"},
    {"min_compute_capability": "8.0", "max_compute_capability": "8.9", "spot": False},
    *({"provider": name} for name in OFFLINE),
    {"provider": "AWS"},
    {"provider": ["gcp", "azure"], "gpu_name": "H100"},
    {"provider": "aws", "gpu_name": "H100", "spot": True},
    {"provider": "aws", "min_gpu_count": 8, "min_memory": 1000, "max_price": 60},
    {"provider": "azure", "min_compute_capability": "8.0", "spot": False},
    {"provider": "amazon"},
    {"gpu_name": "H1000"},
    {"gpu_name": "MI300X", "min_total_gpu_memory": 1000, "spot": False},
    {"allowed_flags": []},
)


SEVERAL = "sold one to several at a time"
UNSTATED = "a number is not stated"
NO_SUCH_CARD = "an error with the nearest name, where gpuhunt answers nothing"
NO_SUCH_PROVIDER = "an error of gpuhunt"

DIFFERING: dict[str, set[str]] = {
    "{'min_disk_size': 100}": {UNSTATED},
    "{'max_disk_size': 1000}": {UNSTATED},
    "{'provider': 'amazon'}": {NO_SUCH_PROVIDER},
    "{'gpu_name': 'H1000'}": {NO_SUCH_CARD},
}
"""By query, the rules of docs/python.md that make a difference."""


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """An environment with gpuhunt, as its users install it."""
    place = tmp_path_factory.mktemp("gpuhunt")
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    subprocess.run([place / "bin" / "pip", "install", "--quiet", "gpuhunt==0.1.34"], check=True)
    return place / "bin" / "python"


@pytest.fixture(scope="module")
def ledger(tmp_path_factory) -> gpuledger.Ledger:
    """What the captures of ten sources say."""
    folder = tmp_path_factory.mktemp("ledger") / "home"
    with stage_in(folder) as stage:
        for source in SOURCES:
            stage.answers(source)
        home = stage.home
    publish(home, now=START)
    return gpuledger.Ledger(folder, clock=lambda: START, environ={})


def reason(offer: CatalogOffer, query: dict[str, Any]) -> str:
    """The rule by which an offer answers here and not there, or the reverse."""
    counted = {"min_gpu_count", "max_gpu_count", "min_total_gpu_memory", "max_total_gpu_memory"}
    if counted & {*query} and (offer.offer.max_gpus or offer.gpu_count) != offer.gpu_count:
        return SEVERAL
    bounds = {"cpu": offer.cpu, "memory": offer.memory, "disk_size": offer.disk_size}
    if any(value is None and {f"min_{name}", f"max_{name}"} & {*query} for name, value in bounds.items()):
        return UNSTATED
    return f"{offer} answers one of both"


@pytest.mark.peers
def test_gpuhunt_answers_as_we_do_or_a_rule_explains_the_difference(ledger, python, tmp_path):
    export(ledger, tmp_path / "v3", "gpuhunt")
    there = sorted(path.stem for path in (tmp_path / "v3").glob("*.csv") if path.stem in OFFLINE)
    asked = [query if "provider" in query else {**query, "provider": there} for query in QUERIES]
    environ = {
        "GPUHUNT_CATALOG_URL": (tmp_path / "v3").as_uri(),
        "HOME": str(tmp_path),
        "PATH": "/usr/bin:/bin",
    }
    done = subprocess.run(
        [python, "-c", QUERY], input=repr(asked), env=environ, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers = json.loads(done.stdout.splitlines()[-1])
    every = {row.offer.offer_id: row for row in offers(ledger=ledger)}
    exported = set(answers[0])
    differing: dict[str, set[str]] = {}
    for query, words, answer in zip(asked, map(repr, QUERIES), answers, strict=True):
        try:
            found = offers(**{**query, "provider": ours(query["provider"])}, ledger=ledger)
        except UnknownGPUError:
            found, differing[words] = [], {NO_SUCH_CARD}
        if isinstance(answer, str):
            differing[words] = {NO_SUCH_PROVIDER}
            continue
        mine = {row.offer.offer_id for row in found} & exported
        if mine != set(answer):
            differing[words] = {reason(every[offer_id], query) for offer_id in mine ^ set(answer)}
    assert len(QUERIES) > 77 and len(exported) > 40
    assert differing == DIFFERING


def ours(names: str | list[str]) -> list[str]:
    former = {name: provider for provider, name in GPUHUNT_PROVIDERS.items()}
    return [former.get(name, name) for name in ([names] if isinstance(names, str) else names)]

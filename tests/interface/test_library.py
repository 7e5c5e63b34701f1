"""The Python API gives what the command line gives, and takes gpuhunt's keywords."""

import inspect
import json
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gpuledger import library
from gpuledger.cli.main import app
from gpuledger.core.errors import EmptyLedgerError, InvalidPlanError, UnknownGPUError, UsageError
from gpuledger.core.validity import state_rank

AS_OF = "2026-03-15"
# keywords of gpuhunt's query(), and the fields of its rows
GPUHUNT = """
provider cpu_arch min_cpu max_cpu min_memory max_memory min_gpu_count max_gpu_count gpu_vendor gpu_name
min_gpu_memory max_gpu_memory min_total_gpu_memory max_total_gpu_memory min_disk_size max_disk_size min_price
max_price
min_compute_capability max_compute_capability spot allowed_flags
"""
ROW = """
provider instance_name location price cpu memory gpu_count gpu_name gpu_memory spot disk_size gpu_vendor flags
cpu_arch provider_data
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("home")
    first = CliRunner().invoke(app, ["--home", str(path), "gpus"])
    assert first.exit_code == 0, first.output
    return path


def test_every_keyword_of_gpuhunt_is_taken():
    assert set(GPUHUNT.split()) <= set(inspect.signature(library.offers).parameters)


def test_rows_have_the_names_of_gpuhunt(home):
    row = library.offers(gpu_name="h100", as_of=AS_OF, home=home)[0]
    assert all(hasattr(row, name) for name in ROW.split())
    assert isinstance(row.price, float) and isinstance(row.offer.usd_per_hour, Decimal)


@pytest.mark.parametrize(
    ("keywords", "holds"),
    [
        ({"gpu_name": ["A100", "H100"]}, lambda row: row.offer.gpu_id.startswith(("a100", "h100"))),
        ({"provider": "RunPod"}, lambda row: row.provider == "runpod"),
        ({"spot": True}, lambda row: row.spot),
        ({"spot": False}, lambda row: row.offer.purchase_option != "spot"),
        ({"min_gpu_count": 8}, lambda row: row.gpu_count >= 8 or row.offer.max_gpus >= 8),
        ({"max_price": 1.0}, lambda row: row.price <= 1.0),
        ({"min_gpu_memory": 48, "max_gpu_memory": 80}, lambda row: 48 <= row.gpu_memory <= 80),
        ({"min_total_gpu_memory": 300}, lambda row: row.gpu_memory * row.gpu_count >= 300),
        ({"gpu_vendor": "nvidia"}, lambda row: row.gpu_vendor == "nvidia"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_a_keyword_keeps_what_it_says(home, keywords, holds):
    every = library.offers(as_of=AS_OF, allow_stale=True, home=home)
    found = library.offers(**keywords, as_of=AS_OF, allow_stale=True, home=home)
    assert 0 < len(found) < len(every)
    assert all(holds(row) for row in found)
    order = [(state_rank(row.price_state), row.price) for row in found]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("gpu_id", "capability"),
    [
        ("t4-16gb", (7, 5)),
        ("a100-sxm-80gb", (8, 0)),
        ("rtx-3090-24gb", (8, 6)),
        ("l40s-48gb", (8, 9)),
        ("h100-pcie-80gb", (9, 0)),
        ("b200-sxm-180gb", (10, 0)),
        ("rtx-5090-32gb", (12, 0)),
    ],
)
def test_compute_capability_keeps_the_chips_that_have_it(home, gpu_id, capability):
    found = library.offers(
        min_compute_capability=capability, max_compute_capability=capability, allow_stale=True, home=home
    )
    assert gpu_id in {row.offer.gpu_id for row in found}
    assert len({row.offer.gpu_id for row in found}) < 12


def test_stale_prices_are_left_out_unless_asked_for(home):
    fresh = library.offers(as_of=AS_OF, home=home)
    every = library.offers(as_of=AS_OF, allow_stale=True, home=home)
    assert {row.price_state for row in fresh} == {"fresh"}
    assert len(every) > len(fresh) > 0


def test_the_estimate_is_the_quote_of_the_command_line(home):
    line = CliRunner().invoke(app, ["--home", str(home), "quote", "llama-2-7b-qlora", "--as-of", AS_OF])
    printed = json.loads(line.stdout)
    found = library.estimate("llama-2-7b-qlora", as_of=AS_OF, home=home)
    assert found.to_dict() == printed
    assert str(found.mid) == printed["quotes"][0]["usd_total"]["mid"]
    assert found.low <= found.mid <= found.high
    assert found.receipt.offer.source_url and found.lines and isinstance(found.excluded, dict)


def test_own_terms_and_options_are_taken(home):
    plan = {"name": "p", "hardware": {"gpu": "H100-SXM", "gpu_hours": 10}}
    full = library.estimate(plan, as_of=AS_OF, home=home, providers=("runpod",))
    half = library.estimate(
        plan, as_of=AS_OF, home=home, providers=("runpod",), overrides="[[discount]]\npercent = 50\n"
    )
    assert (full.mid, half.mid) == (Decimal("26.90"), Decimal("13.45"))


def test_cheapest_and_history_agree_with_the_offers(home):
    best = library.cheapest("H100-SXM", as_of=AS_OF, home=home).ranking
    assert [(entry.offer.provider, str(entry.offer.usd_per_gpu_hour.normalize())) for entry in best[:3]] == [
        ("runpod", "2.69"),
        ("lambda", "3.78"),
        ("coreweave", "6.155"),
    ]
    rows = library.price_history("H100-SXM", provider="runpod", home=home)
    assert Decimal("2.69") in {row["usd_per_gpu_hour"] for row in rows}


def test_the_rows_turn_into_a_table(home):
    table = library.offers(gpu_name="H100", as_of=AS_OF, home=home).to_arrow()
    assert table.num_rows > 0 and set(ROW.split()) <= set(table.column_names)


def test_the_other_calls_answer_while_a_connection_is_open(home):
    with library.connect(home=home):
        assert library.offers(home=home, as_of=AS_OF)
        assert library.estimate("llama-2-7b-qlora", home=home, as_of=AS_OF).quotes


def test_a_connection_reads_and_does_not_write(home):
    import duckdb

    connection = library.connect(home=home)
    try:
        assert connection.execute("select count(*) from offer_latest").fetchone()[0] > 0
        with pytest.raises(duckdb.InvalidInputException):
            connection.execute("delete from offer")
    finally:
        connection.close()
    with pytest.raises(UsageError, match="read_only=False"):
        library.connect(read_only=False, home=home)


def test_errors_are_ours(home, tmp_path):
    with pytest.raises(UnknownGPUError):
        library.offers(gpu_name="H1000", home=home)
    with pytest.raises(InvalidPlanError):
        library.estimate("no-such-plan", home=home)
    with pytest.raises(UsageError, match="unexpected keyword argument 'deadline'"):
        library.estimate("llama-2-7b", home=home, deadline=3)
    with pytest.raises(UsageError, match="'yesterday'"):
        library.offers(as_of="yesterday", home=home)
    with pytest.raises(EmptyLedgerError):
        library.offers(home=tmp_path)

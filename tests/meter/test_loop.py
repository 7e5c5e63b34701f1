"""The whole loop: a quote, a run under the meter, the bill for it, the variance, and an estimate that has learnt.

The job is a plain loop, and a real Trainer of Transformers and a real Lightning Trainer under the marker `frameworks`.
The clock is the test's, so that a small job on a CPU takes what the test says that the accelerator took.
"""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gpuledger import Ledger
from gpuledger.meter import Meter
from tests.actuals import bills
from tests.meter import jobs
from tests.template import start_bundled

STEPS, BATCH, LENGTH = 12, 4, 64
SLOWER = 0.7
"""What the accelerator reaches of what was computed."""
PLAN: dict[str, Any] = {
    "name": "tiny",
    "method": "full_finetune",
    "architecture": {"layers": 2, "hidden_size": 64, "attention_heads": 4, "vocabulary_size": 128},
    "training_tokens": STEPS * BATCH * LENGTH,
    "sequence_length": LENGTH,
    "global_batch_tokens": BATCH * LENGTH,
    "hardware": {"gpu": "l40s-48gb", "gpus": 1},
}
JOBS = {
    "a plain loop": jobs.plain,
    "a Trainer of Transformers": jobs.trainer,
    "a Trainer of Lightning": jobs.lightning,
}
OF_FRAMEWORKS = (pytest.mark.frameworks, pytest.mark.filterwarnings("ignore"))
"""Their own warnings are not ours."""
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


class Time:
    """Seconds that the job takes, as the test says."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the bundled list."""
    return start_bundled(tmp_path_factory.mktemp("loop") / "home", now=NOW)


@pytest.mark.parametrize(
    "name", [next(iter(JOBS)), *(pytest.param(name, marks=OF_FRAMEWORKS) for name in list(JOBS)[1:])]
)
def test_the_next_estimate_has_learnt_from_the_run(name: str, home: Path, tmp_path: Path):
    job: Callable[..., None] = JOBS[name]
    (home / "measured.json").unlink(missing_ok=True)
    for left in ("runs", "actuals"):
        shutil.rmtree(home / left, ignore_errors=True)
    clock = Time()
    ledger = Ledger(home, clock=clock.now, environ={})
    quote = ledger.quote(PLAN, allow_stale=True, limit=1).quotes[0].to_dict()
    before = ledger.estimate(PLAN)[0]
    seconds = BATCH * LENGTH / (SLOWER * before["tokens_per_second"])

    meter = Meter(quote_id=quote["quote_id"], plan=PLAN, run=name, home=home, clock=clock, now=clock.now)
    job(meter, clock, tmp_path, steps=STEPS, batch=BATCH, length=LENGTH, seconds=seconds)
    state = json.loads((home / "runs" / f"{name.replace(' ', '-')}.json").read_bytes())
    assert (state["steps"], state["problems"], state["is_finished"]) == (STEPS, 0, True)
    assert state["usd_spent"] > 0

    hours = state["seconds"] / 3600
    charge = {
        "ProviderName": quote["provider"],
        "BillingCurrency": "USD",
        "ChargeCategory": "Usage",
        "ServiceCategory": "Compute",
        "ChargePeriodStart": NOW.isoformat(),
        "ChargePeriodEnd": (NOW + timedelta(hours=hours)).isoformat(),
        "ConsumedQuantity": f"{hours * 2:.9f}",
        "ConsumedUnit": "Hours",
        "SkuPriceDetails": json.dumps({"InstanceType": quote["instance_type"]}),
        "BilledCost": "3.00",
        "EffectiveCost": "3.00",
        "Tags": json.dumps({"gpuledger-quote": quote["quote_id"]}),
    }
    (tmp_path / "bill.csv").write_text(bills.table(charge))
    ledger.import_actuals(tmp_path / "bill.csv")
    answer = ledger.compare_actuals(PLAN, until=NOW + timedelta(days=1))
    line = next(row for row in answer["lines"] if row["name"] == "gpu")
    assert answer["matched"][0]["by"] == "receipt"
    assert float(line["price_variance_usd"]) + float(line["quantity_variance_usd"]) == pytest.approx(
        float(line["over_usd"])
    )
    assert answer["idle"]["gpu_hours_outside_runs"] == pytest.approx(hours, rel=0.01, abs=1e-6)

    after = ledger.estimate(PLAN)[0]
    assert after["tokens_per_second"] == pytest.approx(SLOWER * before["tokens_per_second"], rel=1e-3)
    assert wide(after["wall_hours"]) < wide(before["wall_hours"])
    assert wide(after["tokens_per_second_range"]) < wide(before["tokens_per_second_range"])
    (row,) = [row for row in ledger.accuracy()["runs"] if row["quantity"] == "tokens_per_second"]
    assert row["error_percent"] == pytest.approx((1 / SLOWER - 1) * 100, abs=0.1)


def wide(case: dict[str, float]) -> float:
    return case["high"] / case["low"]

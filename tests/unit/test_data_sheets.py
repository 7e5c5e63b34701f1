"""What no data sheet confirms is marked in the seed, and said by an estimate that rests on it."""

import pytest

from gpuledger.core import seeds
from gpuledger.core.gpu import gpu

ROWS = {row["gpu_id"]: row for row in seeds.rows("gpu")}


def test_what_is_marked_is_a_figure_that_the_row_has():
    odd = {
        gpu_id: name
        for gpu_id, row in ROWS.items()
        for name in filter(None, row["unverified"].split(";"))
        if not row.get(name)
    }
    assert odd == {}


def test_at_least_eighty_rows_are_confirmed_in_full():
    assert sum(not row["unverified"] for row in ROWS.values()) >= 80


@pytest.mark.parametrize(
    ("gpu_id", "precision", "doubt"),
    [
        ("h100-sxm-80gb", "bf16", None),
        ("rtx-4090-24gb", "bf16", None),
        ("rtx-4090-24gb", "fp8", "rtx-4090-24gb: no data sheet confirms its fp8 rate of 330.3 TFLOP/s"),
        ("rtx-3060-12gb", "bf16", "rtx-3060-12gb: no data sheet confirms its bf16 rate of 25.4 TFLOP/s"),
        (
            "a16-16gb",
            "bf16",
            "a16-16gb: no data sheet confirms its bf16 rate of 17.9 TFLOP/s and its memory bandwidth",
        ),
    ],
)
def test_a_rate_that_nothing_confirms_is_named(gpu_id: str, precision: str, doubt: str | None):
    assert gpu(gpu_id).doubt(precision) == doubt

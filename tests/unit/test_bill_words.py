"""A bill is put beside a plan in whatever words it has."""

from decimal import Decimal

import pytest

from gpuledger.core.cost.amount import Amount
from gpuledger.core.cost.cost_lines import CostLine
from gpuledger.core.cost.decisions.bill_words import is_total, quote_line
from gpuledger.core.cost.decisions.budget import differences, read_actual

PLANNED = ("gpu_time", "egress", "dataset_storage", "people", "failed_runs", "start_up", "data")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("gpu_time", "gpu_time"),
        ("GPU time", "gpu_time"),
        ("Start-up", "start_up"),
        ("GPU rental", "gpu_time"),
        ("Compute", "gpu_time"),
        ("Amazon EC2 instances", "gpu_time"),
        ("8x H100 pods", "gpu_time"),
        ("p5.48xlarge instance hours", "gpu_time"),
        ("Data Transfer Out", "egress"),
        ("Outbound traffic", "egress"),
        ("EBS volumes", "dataset_storage"),
        ("S3", "dataset_storage"),
        ("Salaries", "people"),
        ("Staff costs", "people"),
        ("Failed runs", "failed_runs"),
        ("Dataset licence", "data"),
        # what the plan does not have, and what means nothing
        ("Endpoint hosting", None),
        ("Checkpoints", None),
        ("Coffee", None),
        ("Support plan", None),
        ("", None),
    ],
)
def test_a_name_means_the_planned_line_that_its_words_say(name, line):
    assert quote_line(name, PLANNED) == line


def test_a_name_that_could_mean_two_planned_lines_means_none():
    assert quote_line("Storage", ("checkpoint_storage", "dataset_storage")) is None
    assert quote_line("Storage", ("checkpoint_storage", "gpu_time")) == "checkpoint_storage"


@pytest.mark.parametrize(
    "name", ["total", "Total", "TOTAL (USD)", "Grand total", "Subtotal", "Sum", "Total cost"]
)
def test_a_row_that_sums_up_is_none(name):
    assert is_total(name) and not is_total("Total compute hours")


def test_rows_add_up_by_line_and_say_what_they_were_called():
    lines = [
        CostLine(name, "run", Amount.same(Decimal(usd)), "")
        for name, usd in (("gpu_time", "100"), ("egress", "10"))
    ]
    bill = "name,usd\nGPU rental,60\nEC2,45\nData transfer out,9.5\nCoffee,3\nTotal,117.50\n"
    rows = [row.to_dict() for row in differences(lines, read_actual(bill, "bill"))]
    assert [
        (row["name"], row["planned_usd"], row["actual_usd"], row["state"], row["billed_as"]) for row in rows
    ] == [
        ("gpu_time", "100.00", "105.00", "ok", "GPU rental, EC2"),
        ("egress", "10.00", "9.50", "ok", "Data transfer out"),
        ("Coffee", None, "3.00", "not planned", None),
        ("total", "110.00", "117.50", "ok", None),
    ]

"""The user's own terms, as they are read."""

from decimal import Decimal

import pytest

from gpuledger.core.cost.market.own_terms import read_overrides
from gpuledger.core.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("discount = 3", r"write \[\[discount\]\]"),
        ("[[rebate]]\npercent = 3", "unknown table 'rebate'"),
        (
            "[[discount]]\npercent = 120",
            "discount\\[0\\].percent: a number above 0, at most 100 is needed, got 120",
        ),
        ("[[discount]]\npercent = -1", "got -1"),
        ('[[discount]]\npercent = "ten"', "got 'ten'"),
        ("[[discount]]\npercent = true", "got True"),
        ("[[discount]]\npercent = nan", "got nan"),
        ("[[discount]]\npercent = 5\nprovidr = 'x'", "unknown key 'providr'"),
        ("[[contract]]\nusd_per_gpu_hour = 1", "contract\\[0\\].provider: a text is needed and missing"),
        ('[[discount]]\npercent = 5\ngpu = "H1000"', "discount\\[0\\].gpu: unknown GPU"),
        ('[[credit]]\nprovider = "aws"\nusd = 0', "got 0"),
        ("[[credit]]\nusd = 100", "credit\\[0\\].provider: a text is needed and missing"),
        (
            '[[owned]]\nname = "x"\ngpu = "rtx-4090-24gb"\ngpus = 2\ncapex_usd = 10',
            "owned\\[0\\].life_months: a number above 0 is needed and missing",
        ),
        (
            '[[owned]]\nname = "x"\ngpu = "rtx-4090-24gb"\ngpus = 2\ncapex_usd = -1',
            "owned\\[0\\].capex_usd: a number of 0 or more is needed, got -1",
        ),
        ('[[owned]]\nname = "x"\ngpu = "H100"\ngpus = 8\ncapex_usd = 1\nlife_months = 1', "name one"),
        ("not toml", "not TOML"),
    ],
)
def test_a_wrong_override_names_the_key_and_the_value(text, message):
    with pytest.raises(ConfigError, match=message):
        read_overrides(text, "overrides.toml")


def test_what_is_not_given_of_owned_machines_comes_from_the_data_sheet_and_the_assumptions():
    text = '[[owned]]\nname = "x"\ngpu = "h100-sxm-80gb"\ngpus = 16\ncapex_usd = 480000\nlife_months = 60\n'
    own = read_overrides(text, "test").owned[0]
    assert (own.gpus_per_node, own.watts_per_gpu, own.utilisation) == (8, Decimal(700), Decimal(1))
    # 0.7 kW x 1.25 x 0.12 USD
    assert own.power_usd_per_gpu_hour == Decimal("0.105")


@pytest.mark.parametrize("capex", ["", "capex_usd = 0\n", "capex_usd = 0\nlife_months = 36\n"])
def test_machines_paid_long_ago_cost_their_power_alone(capex):
    text = f'[[owned]]\nname = "desk"\ngpu = "rtx-4090-24gb"\ngpus = 2\n{capex}'
    own = read_overrides(text, "test").owned[0]
    # 0.45 kW x 1.25 x 0.12 USD
    assert own.usd_per_gpu_hour == own.power_usd_per_gpu_hour == Decimal("0.0675")


def test_a_rule_for_one_purchase_option_leaves_the_others():
    own = read_overrides('[[discount]]\npercent = 5\npurchase_option = "spot"\n', "test")
    assert own.rule("aws", "h100-sxm-80gb", "spot") is not None
    assert own.rule("aws", "h100-sxm-80gb", "on_demand") is None


def test_no_file_is_no_override():
    assert read_overrides("", "test").rules == ()

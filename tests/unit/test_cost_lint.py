"""What a plan or an article may claim: lint findings and the 27 claims."""

import pytest

from gpuledger.core.cost.decisions.claim import checked_claims, verdict
from gpuledger.core.cost.decisions.lint import (
    hours_agree,
    implied_mfu,
    lint_plan,
    node_multiple,
    tokens_per_parameter,
)
from gpuledger.core.errors import UsageError
from gpuledger.core.plan import plan_from_mapping


def findings(**keys) -> dict[str, str]:
    plan = plan_from_mapping({"name": "p", "model": "llama-2-7b", "sequence_length": 4096} | keys)
    return {finding.check: finding.severity for finding in lint_plan(plan)}


def test_a_sound_plan_has_no_error():
    hardware = {"gpu": "a100-sxm-80gb", "gpus": 1024, "gpu_hours": 184_320}
    found = findings(training_tokens=2e12, hardware=hardware)
    assert set(found.values()) == {"ok"}
    assert {"memory", "tokens_per_parameter", "implied_mfu", "node_multiple"} <= set(found)


def test_a_billion_tokens_in_five_hours_on_a_4090_cannot_be():
    hardware = {"gpu": "rtx-4090-24gb", "gpus": 1, "wall_hours": 5}
    found = findings(training_tokens=1e9, hardware=hardware)
    assert found["implied_mfu"] == "error"
    assert found["memory"] == "error"
    assert found["tokens_per_parameter"] == "error"


@pytest.mark.parametrize(
    ("mfu", "severity"), [(0.05, "warning"), (0.40, "ok"), (0.65, "warning"), (0.80, "error")]
)
def test_the_implied_mfu_has_limits(mfu, severity):
    assert implied_mfu(mfu * 1e15 * 3600, 1.0, 1e15, "chip").severity == severity


@pytest.mark.parametrize(
    ("ratio", "severity"), [(0.1, "error"), (7, "warning"), (20, "ok"), (5000, "warning")]
)
def test_tokens_per_parameter_have_limits(ratio, severity):
    assert tokens_per_parameter(ratio).severity == severity


@pytest.mark.parametrize(("gpus", "severity"), [(4, "ok"), (12, "warning"), (16, "ok")])
def test_gpus_beyond_a_node_are_a_multiple_of_it(gpus, severity):
    assert node_multiple(gpus, 8).severity == severity


def test_gpu_hours_are_wall_hours_times_gpus():
    assert hours_agree(8_000, 500, 16).severity == "ok"
    assert hours_agree(1_000, 504, 16).severity == "error"


def test_a_precision_that_the_gpu_lacks_is_an_error():
    assert (
        findings(training_tokens=1e12, precision="fp8", hardware={"gpu": "a100-sxm-80gb"})["precision"]
        == "error"
    )


CLAIMS = checked_claims()
IMPRECISE = {4, 13, 15, 17}


def test_all_27_claims_are_there_once():
    assert [claim.claim_id for claim in CLAIMS] == list(range(1, 28))


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: str(claim.claim_id))
def test_a_claim_is_found_to_contradict_what_it_implies(claim):
    assert claim.verdict == ("imprecise" if claim.claim_id in IMPRECISE else "contradicted")
    assert "stated" in claim.finding and "implied" in claim.finding


@pytest.mark.parametrize(
    ("claim_id", "low", "high"),
    [
        (1, 141.41, 141.42),
        (3, 112, 112),
        (5, 0.68, 0.68),
        (8, 16.80, 16.81),
        (10, 215.20, 215.20),
        (16, 1.375, 1.834),
        (17, 85, 130),
        (18, 8_064, 16_128),
        (19, 109_090, 290_910),
        (20, 106_837, 106_838),
        (21, -42.72, -42.71),
        (22, 5.505, 5.506),
        (23, 6.421, 6.422),
        (24, 50, 50),
    ],
)
def test_the_implied_numbers_are_those_of_the_survey(claim_id, low, high):
    implied = CLAIMS[claim_id - 1].implied
    assert implied[0] == pytest.approx(low, rel=1e-3) and implied[1] == pytest.approx(high, rel=1e-3)


@pytest.mark.parametrize(
    ("stated", "implied", "expected"),
    [
        ((1, 2), (1, 2), "holds"),
        ((10, 10), (10.04, 10.04), "holds"),
        ((1, 2), (1.5, 3), "imprecise"),
        ((1, 2), (3, 4), "contradicted"),
    ],
)
def test_the_verdict_follows_from_the_two_intervals(stated, implied, expected):
    assert verdict(stated, implied) == expected


def test_claims_of_another_article_can_be_checked():
    text = '[[claim]]\nid = 1\nstatement = "x"\ncheck = "product"\nfactors = [2, 3]\nstated = 6\n'
    assert checked_claims(text, "mine.toml")[0].verdict == "holds"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "claim = 3",
        "claim = [1]",
        "[[claim]]\nid = 1",
        '[[claim]]\nid = 1\nstatement = "x"\ncheck = "sums"\nstated = 1',
        '[[claim]]\nid = 1\nstatement = "x"\ncheck = "product"\nstated = 1',
        '[[claim]]\nid = 1\nstatement = "x"\ncheck = "quotients"\npairs = [[1, 0]]\nstated = 1',
        '[[claim]]\nid = 1\nstatement = "x"\ncheck = "product"\nfactors = ["a"]\nstated = 1',
    ],
)
def test_a_claim_that_cannot_be_read_names_its_file(text):
    with pytest.raises(UsageError, match=r"mine\.toml"):
        checked_claims(text, "mine.toml")

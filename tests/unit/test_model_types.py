"""A config.json is read as its model_type means it: counts of published networks, and refusals by name."""

import json
from pathlib import Path

import pytest

from gpuledger.core.errors import InvalidPlanError
from gpuledger.core.estimate.architecture import Architecture, resolve
from gpuledger.core.huggingface.model_types import MODEL_TYPES
from gpuledger.core.huggingface.reader import architecture_from_config
from gpuledger.core.plan import plan_from_mapping
from tools.docs import network_page

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "networks.jsonl"
NETWORKS = [json.loads(line) for line in GOLDEN.read_text().splitlines()]
DOCS = Path(__file__).resolve().parents[2] / "docs"


def network(config) -> tuple[Architecture, list[str]]:
    shape, _, warnings = resolve(plan_from_mapping(config | {"training_tokens": 1e9}))
    return shape, warnings


@pytest.mark.parametrize("row", NETWORKS, ids=lambda row: row["model"])
def test_the_count_is_within_half_a_percent_of_the_published_one(row):
    assert network(row["config"])[0].counted_parameters == pytest.approx(row["parameters"], rel=0.005)


@pytest.mark.parametrize(
    "row", [row for row in NETWORKS if "active_parameters" in row], ids=lambda row: row["model"]
)
def test_active_parameters_are_those_that_the_authors_name(row):
    assert network(row["config"])[0].counted_active_parameters == pytest.approx(
        row["active_parameters"], rel=0.03
    )


def test_networks_of_at_least_25_types_are_checked():
    assert len(NETWORKS) >= 60
    assert len({row["config"]["model_type"] for row in NETWORKS}) >= 25


@pytest.mark.parametrize("name", ["zamba2", "hyena", "retnet", "llama5", "mixtrall"])
def test_a_type_that_is_not_known_is_refused_by_name(name):
    with pytest.raises(InvalidPlanError, match=rf"'{name}' is not known.*Give parameters"):
        architecture_from_config(
            {"model_type": name, "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32}
        )


@pytest.mark.parametrize("name", MODEL_TYPES)
def test_a_file_that_says_nothing_but_its_type_is_refused(name):
    with pytest.raises(InvalidPlanError, match=r"config.json.(layers|hidden_size)"):
        architecture_from_config({"model_type": name})


def test_a_tower_that_is_not_described_is_left_out_and_said():
    shape, warnings = network(
        {
            "model_type": "gemma3",
            "text_config": {
                "model_type": "gemma3_text",
                "hidden_size": 3840,
                "intermediate_size": 15360,
                "num_attention_heads": 16,
                "num_hidden_layers": 48,
                "num_key_value_heads": 8,
                "sliding_window": 1024,
            },
            "vision_config": {"hidden_size": 1152},
        }
    )
    assert shape.counted_parameters == pytest.approx(11.77e9, rel=0.005)
    assert shape.windowed_layers_share == pytest.approx(5 / 6)
    assert any("left out" in warning for warning in warnings)


def test_a_tower_that_is_described_is_in_memory_and_not_in_the_work_of_a_token():
    row = next(row for row in NETWORKS if row["model"] == "meta-llama/Llama-3.2-11B-Vision")
    shape, warnings = network(row["config"])
    assert shape.side_parameters == pytest.approx(0.82e9, rel=0.1)
    assert shape.body_matrix_parameters < shape.parameters - shape.side_parameters
    assert any("tower for images" in warning for warning in warnings)


def test_windows_are_those_of_layer_types():
    row = next(row for row in NETWORKS if row["model"] == "openai/gpt-oss-20b")
    kinds = ["sliding_attention", "full_attention"] * 12
    shape, _ = network(row["config"] | {"layer_types": kinds})
    assert (shape.sliding_window, shape.windowed_layers_share) == (128, 0.5)


def test_a_hybrid_has_attention_in_the_layers_that_its_period_says():
    row = next(row for row in NETWORKS if row["model"] == "ai21labs/Jamba-v0.1")
    shape, _ = network(row["config"])
    assert (shape.attending_layers, shape.mixer_layers, shape.moe_layers) == (4, 28, 16)


def test_layers_that_share_parameters_are_counted_once_and_computed_each_time():
    row = next(row for row in NETWORKS if row["model"] == "albert/albert-xxlarge-v2")
    shape, _ = network(row["config"])
    assert shape.body_matrix_parameters > 10 * shape.counted_parameters


def test_the_page_of_networks_is_not_stale():
    assert (DOCS / "networks.md").read_text() == network_page.page(NETWORKS), "run `make docs`"

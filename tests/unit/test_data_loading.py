"""Storage and network against the rate at which accelerators train: the narrowest limits, and is named."""

import pytest

from gpuledger.core.estimate.data_loading import bytes_per_token
from gpuledger.core.estimate.estimate import estimate
from gpuledger.core.estimate.sweep import Candidate, HardwareChoices, sweep
from gpuledger.core.gpu import gpu
from gpuledger.core.plan import plan_from_mapping

H100 = gpu("h100-sxm-80gb")


def run(gpus: int = 16, /, **keys):
    hardware = keys.pop("hardware", {})
    base = {"model": "llama-3-8b", "method": "pretrain", "training_tokens": 1e11, "sequence_length": 4096}
    return estimate(plan_from_mapping({**base, **keys, "hardware": hardware}), H100, gpus)


def test_fast_storage_changes_nothing_and_the_need_is_shown():
    free, fed = run(), run(hardware={"storage_gb_per_second": 10})
    assert (fed.tokens_per_second, fed.wall_hours) == (free.tokens_per_second, free.wall_hours)
    assert free.limited_by == fed.limited_by == "accelerators"
    assert free.data_gb_per_second == pytest.approx(4 * free.tokens_per_second / 1e9)


@pytest.mark.parametrize(
    ("hardware", "tokens_per_second", "limit"),
    [
        # 4 bytes a token: 0.2 MB per second are 50,000 tokens
        ({"storage_gb_per_second": 0.0002}, 50_000, "hardware.storage_gb_per_second"),
        # two nodes of 0.0008 Gbit per second are 0.2 MB as well
        ({"data_gbit_per_second": 0.0008}, 50_000, "hardware.data_gbit_per_second"),
        (
            {"storage_gb_per_second": 0.0002, "data_gbit_per_second": 0.0004},
            25_000,
            "hardware.data_gbit_per_second",
        ),
    ],
)
def test_the_narrowest_rate_limits_and_is_named(hardware, tokens_per_second, limit):
    found = run(hardware=hardware)
    assert found.tokens_per_second == pytest.approx(tokens_per_second)
    assert found.limited_by == limit
    assert found.wall_hours.low >= 1e11 / tokens_per_second / 3600 * 0.999
    assert found.wall_hours.mid > run().wall_hours.mid and found.mfu < run().mfu
    assert any(text.startswith(f"data loading limits: {limit}") for text in found.warnings)


def test_more_nodes_have_more_network_and_no_more_storage():
    network, storage = {"data_gbit_per_second": 0.0008}, {"storage_gb_per_second": 0.0002}
    assert run(32, hardware=network).tokens_per_second == pytest.approx(100_000)
    assert run(32, hardware=storage).tokens_per_second == pytest.approx(50_000)


def test_a_search_knows_the_limit_that_the_record_has():
    plan = plan_from_mapping(
        {
            "model": "llama-3-8b",
            "method": "pretrain",
            "training_tokens": 1e11,
            "hardware": {"storage_gb_per_second": 1e-4},
        }
    )
    on = HardwareChoices([Candidate(gpu=H100, gpus=n, gpus_per_node=8) for n in (8, 64)])
    found = sweep(plan, on)
    assert [found.estimate(n).wall_hours.mid for n in (0, 1)] == pytest.approx(list(found.wall_hours))


@pytest.mark.parametrize(
    ("keys", "each"),
    [
        ({}, 4.0),
        ({"data_bytes_per_token": 50_000}, 50_000),
        ({"dataset_tokens": 1e9, "epochs": 3, "costs": {"dataset_gb": "20 TB"}}, 20_000),
    ],
)
def test_bytes_of_a_token_are_said_or_follow_from_the_size_of_the_data(keys, each):
    found, told = bytes_per_token(
        plan_from_mapping({"model": "llama-3-8b", "method": "full_finetune", **keys})
    )
    assert found == pytest.approx(each) and (told is None) == bool(keys)


def test_images_starve_a_job_that_text_does_not():
    keys = {"hardware": {"storage_gb_per_second": 1}}
    assert run(**keys).limited_by == "accelerators"
    assert run(**keys, data_bytes_per_token=50_000).limited_by == "hardware.storage_gb_per_second"

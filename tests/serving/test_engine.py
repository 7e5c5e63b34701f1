"""Inference in physics: what fits, and that rates move as physics says."""

import pytest

from gpuledger.core.errors import DoesNotFitError
from gpuledger.core.estimate.architecture import Architecture, resolve
from gpuledger.core.gpu import gpu
from gpuledger.core.plan import plan_from_mapping
from gpuledger.core.serving.cost import Load, best_throughput, throughput
from gpuledger.core.serving.engine import Deployment, deployment_of, serving_constants

K = serving_constants()


def network(model: str) -> Architecture:
    return resolve(
        plan_from_mapping({"name": "x", "method": "pretrain", "training_tokens": 1e9, "model": model})
    )[0]


def at(
    model: str = "llama-3.1-8b", gpu_id: str = "h100-sxm-80gb", gpus: int = 1, precision: str = "fp8"
) -> Deployment:
    return deployment_of(network(model), gpu(gpu_id), gpus, precision=precision)


@pytest.mark.parametrize(
    ("model", "precision", "gib"),
    [("llama-3.1-8b", "bf16", 14.96), ("llama-3.3-70b", "fp8", 65.7), ("llama-3.1-405b", "fp4", 212.6)],
)
def test_weights_take_their_bytes(model: str, precision: str, gib: float):
    assert at(model, precision=precision).weight_bytes / 2**30 == pytest.approx(gib, rel=0.01)


@pytest.mark.parametrize(
    ("model", "each"),
    [
        # 2 x 32 layers x 8 heads x 128 at a byte; 2 x 80 x 8 x 128
        ("llama-3.1-8b", 65_536),
        ("llama-3.3-70b", 163_840),
        # latent attention keeps 512 + 64 a layer, of 61
        ("deepseek-v3", 35_136),
    ],
)
def test_a_token_in_the_cache_takes_its_keys_and_values(model: str, each: int):
    assert at(model).cache_bytes_per_token == each


def test_a_model_that_does_not_fit_is_refused_with_by_how_much():
    with pytest.raises(DoesNotFitError, match=r"65\.\d GiB|70\.\d GiB"):
        throughput(
            at("llama-3.3-70b", "l40s-48gb"), 1, Load(requests_per_day=1, input_tokens=100, output_tokens=100)
        )


def test_what_fits_at_once_and_the_longest_context_agree():
    one = at()
    longest = one.longest_context()
    assert one.fitting_sequences(longest) == 1
    assert one.fitting_sequences(longest * 1.01) == 0


def test_one_sequence_is_bound_by_bandwidth_and_many_by_compute():
    one = at("llama-3.3-70b", "h200-sxm-141gb")
    single = one.step_seconds(1, 100, K)
    assert one.step_seconds(2, 100, K) == pytest.approx(single, rel=0.01)
    assert one.step_seconds(4000, 100, K) > 2 * one.step_seconds(1000, 100, K)


def test_few_tokens_touch_few_experts():
    one = at("qwen3-235b-a22b", "h200-sxm-141gb", 8)
    assert one.read_bytes(1) < 0.2 * one.weight_bytes
    assert one.read_bytes(1000) == pytest.approx(one.weight_bytes, rel=0.02)


def test_a_latency_bound_takes_a_smaller_batch_and_less_rate():
    free = throughput(at(), 1, Load(requests_per_day=1, input_tokens=500, output_tokens=500))
    bound = throughput(
        at(), 1, Load(requests_per_day=1, input_tokens=500, output_tokens=500, seconds_per_token=0.02)
    )
    assert bound.sequences < free.sequences
    assert bound.seconds_per_token <= 0.02
    assert bound.tokens_per_second.mid < free.tokens_per_second.mid


def test_a_latency_that_nothing_keeps_is_refused():
    with pytest.raises(DoesNotFitError, match="ms allowed"):
        throughput(
            at(), 1, Load(requests_per_day=1, input_tokens=500, output_tokens=500, seconds_per_token=1e-4)
        )


def test_samples_read_their_prompt_once():
    loads = [Load(requests_per_day=1, input_tokens=4000, output_tokens=200, samples=n) for n in (1, 8)]
    one, many = (throughput(at(), 1, load).tokens_per_second.mid for load in loads)
    assert many > one


def test_an_instance_is_divided_as_gives_most():
    given = best_throughput(at(), 8, Load(requests_per_day=1, input_tokens=500, output_tokens=500))
    assert given.at.gpus * given.copies == 8
    assert given.at.gpus == 1


@pytest.mark.accuracy
def test_models_left_out_are_nearer_than_by_bandwidth_alone_and_inside_the_interval():
    from tools.calibration.serving import benchmarks, coverage, held_out, percent

    rows = benchmarks()
    assert len(rows) >= 60
    ours, theirs, names = held_out(rows)
    (median, mean), (other_median, other_mean) = percent(ours), percent(theirs)
    assert median < 30 and median < other_median
    assert mean < 35 and mean < other_mean
    assert 0.75 <= coverage(ours, names) <= 0.88

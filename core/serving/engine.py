"""Inference in physics: what fits, and how many tokens a second come out.

Prefill is bound by compute, decode by what is read: in every step all weights that its tokens touch and the cache
of every sequence. A step of `b` sequences at context `c` on `n` accelerators takes

    t = max(W(b) / (n BW e_bw), 2 N_act b / (n P e_gemm)) + b c k / (n BW e_kv)
        + L t_layer + [n > 1] L t_tp(n) + b t_host

with W(b) the bytes of weights read (of experts the share that b tokens touch, 1 - (1 - top/E)^b), k the cached bytes
of a token, L layers, BW memory bandwidth, P peak rate. A prompt of i tokens takes 2 N i / (n P e_gemm) and its
attention. With sequences joining and leaving, a batch that fits makes b o tokens in o steps and b prompts.

The forms are of arXiv:2211.05102 (Pope et al., section 2) and arXiv:2402.16363 (roofline of inference); the
constants are fitted on published throughputs (`sql/seeds/serving_benchmark.csv`, `tools/calibration/serving.py`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from gpuledger.core import seeds
from gpuledger.core.errors import InvalidPlanError
from gpuledger.core.estimate.activation import GIB
from gpuledger.core.estimate.architecture import Architecture
from gpuledger.core.estimate.beside import cached_elements_per_token
from gpuledger.core.gpu import GPU

BYTES = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "int8": 1.0, "fp4": 0.5625, "int4": 0.53}
"""Per weight; four bits with the scales of their blocks (16 values an FP8 scale in NVFP4, 128 a 16-bit one in AWQ)."""
COMPUTED_IN = {"int4": "bf16"}
"""Weights of four-bit integers are read as such and multiplied in 16 bits."""
MEMORY_SHARE = 0.90
"""What engines take of the memory unless told otherwise (vLLM `gpu_memory_utilization`, TensorRT-LLM the same)."""
FIXED_GIB = 2.0
"""Context, graphs and activations of one accelerator."""
MOST_SEQUENCES = 2048
"""What TensorRT-LLM runs at once unless told otherwise; vLLM 1,024."""


@dataclass(frozen=True, kw_only=True)
class ServingConstants:
    """Shares of peak and seconds, of `sql/seeds/serving_constant.csv`."""

    weight_read: float
    gemm: float
    cache_read: float
    layer_seconds: float
    tensor_seconds: float
    host_seconds: float
    low_log: float
    high_log: float


@lru_cache(maxsize=1)
def serving_constants() -> ServingConstants:
    """The table as a record."""
    return ServingConstants(**{row["name"]: float(row["value"]) for row in seeds.rows("serving_constant")})


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """One copy of a model on some accelerators of one node."""

    model: Architecture
    gpu: GPU
    gpus: int
    precision: str
    cache_precision: str

    @property
    def weight_bytes(self) -> float:
        return self.model.parameters * BYTES[self.precision]

    @property
    def cache_bytes_per_token(self) -> float:
        return cached_elements_per_token(self.model) * BYTES[self.cache_precision]

    @property
    def cache_bytes(self) -> float:
        """Bytes that are left for keys and values, on all accelerators together; negative where the weights do not
        fit."""
        each = (self.gpu.memory_gib or 0.0) * MEMORY_SHARE - FIXED_GIB
        return each * GIB * self.gpus - self.weight_bytes

    @property
    def peak_flops_per_second(self) -> float:
        """Of one accelerator, in the precision of the weights or the nearest that it computes in."""
        rates = self.gpu.peak_flops_per_second
        computed_in = COMPUTED_IN.get(self.precision, self.precision)
        order = [
            computed_in,
            *(name for name in ("fp8", "bf16", "fp16", "fp32") if BYTES[name] >= BYTES[computed_in]),
        ]
        for name in order:
            if rates.get(name):
                return float(rates[name])
        raise InvalidPlanError("precision", f"{self.gpu.gpu_id} has no published rate in {self.precision}")

    def context_of(self, tokens: float) -> float:
        """Tokens whose keys and values are read at that context, layers with a window counted as such."""
        a = self.model
        if not a.sliding_window or not a.windowed_layers_share:
            return tokens
        share = a.windowed_layers_share
        return share * min(tokens, a.sliding_window) + (1 - share) * tokens

    def fitting_sequences(self, tokens: float) -> int:
        """Sequences of so many tokens whose cache fits at once; 0 where not even one does."""
        return max(0, math.floor(self.cache_bytes / (self.cache_bytes_per_token * self.context_of(tokens))))

    def longest_context(self, sequences: int = 1) -> int:
        """Tokens of each of so many sequences that fit; windows are not counted, for the last token needs all."""
        return max(0, math.floor(self.cache_bytes / (self.cache_bytes_per_token * sequences)))

    def read_bytes(self, sequences: float) -> float:
        """Of weights, in one step of decoding: experts are read when a token goes to them."""
        a = self.model
        if not a.experts:
            return self.weight_bytes
        routed = a.moe_layers * a.experts * a.expert_parameters
        touched = 1.0 - (1.0 - a.experts_per_token / a.experts) ** sequences
        return (a.parameters - routed * (1.0 - touched)) * BYTES[self.precision]

    def step_seconds(self, sequences: float, context: float, k: ServingConstants) -> float:
        """One token of each of so many sequences."""
        bandwidth = self.gpu.memory_bytes_per_second
        if bandwidth is None:
            raise InvalidPlanError("gpu", f"{self.gpu.gpu_id} has no published memory bandwidth")
        n, layers = self.gpus, self.model.all_layers
        read = self.read_bytes(sequences) / (n * bandwidth * k.weight_read)
        flops = 2.0 * self.model.active_parameters * sequences
        computed = flops / (n * self.peak_flops_per_second * k.gemm)
        cache = sequences * self.context_of(context) * self.cache_bytes_per_token
        seconds = max(read, computed) + cache / (n * bandwidth * k.cache_read) + layers * k.layer_seconds
        return seconds + self._exchange_seconds(sequences, k) + sequences * k.host_seconds

    def prefill_seconds(self, tokens: float, k: ServingConstants) -> float:
        """One prompt; attention counts half, as kernels skip what is masked."""
        a = self.model
        flops = 2.0 * a.active_parameters * tokens
        flops += (
            2.0 * a.attending_layers * a.attention_heads * a.query_key_size * tokens * self.context_of(tokens)
        )
        return flops / (self.gpus * self.peak_flops_per_second * k.gemm) + self._exchange_seconds(tokens, k)

    def _exchange_seconds(self, tokens: float, k: ServingConstants) -> float:
        """Two sums over all accelerators a layer (arXiv:1909.08053, section 3): a start each, and 16-bit activations
        over the link."""
        n = self.gpus
        if n == 1:
            return 0.0
        link = self.gpu.interconnect_bytes_per_second or 32e9
        moved = 2.0 * 2.0 * tokens * self.model.hidden_size * 2.0 * (n - 1) / n
        return self.model.all_layers * (k.tensor_seconds + moved / link)

    def rate(self, input_tokens: float, output_tokens: float, sequences: float, k: ServingConstants) -> float:
        """Output tokens a second, with so many sequences in flight and prompts among the steps."""
        average = input_tokens + output_tokens / 2.0
        decoding = output_tokens * self.step_seconds(sequences, average, k)
        return sequences * output_tokens / (decoding + sequences * self.prefill_seconds(input_tokens, k))

    def most_sequences(self, input_tokens: float, output_tokens: float) -> int:
        """What an engine runs at once: as many as fit to their last token, and no more than it is told."""
        return min(self.fitting_sequences(input_tokens + output_tokens), MOST_SEQUENCES)

    def no_fit(self, tokens: float) -> str:
        """Why not even one sequence fits, by how much."""
        need = self.weight_bytes + self.cache_bytes_per_token * self.context_of(tokens)
        have = self.weight_bytes + self.cache_bytes
        return (
            f"does not fit: weights in {self.precision} and one sequence of {tokens:,.0f} tokens take"
            f" {need / GIB:,.1f} GiB, {self.gpus} x {self.gpu.gpu_id} give {have / GIB:,.1f}"
        )


def deployment_of(
    model: Architecture, gpu: GPU, gpus: int, *, precision: str, cache_precision: str | None = None
) -> Deployment:
    """A deployment, with the cache in 8 bits where the weights are in 8 or fewer.

    Raises:
        InvalidPlanError: a precision that is not known.
    """
    cache = cache_precision or (
        "fp8" if BYTES.get(precision, 2.0) <= 1.0 and precision.startswith("fp") else "bf16"
    )
    for name in (precision, cache):
        if name not in BYTES:
            raise InvalidPlanError("precision", f"{name!r} is none of {', '.join(BYTES)}")
    return Deployment(model=model, gpu=gpu, gpus=gpus, precision=precision, cache_precision=cache)

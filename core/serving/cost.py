"""From tokens a second to dollars: instances for a load, a latency bound, and what an API would take instead."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from gpuledger.core import seeds
from gpuledger.core.count import decimal_text
from gpuledger.core.errors import DoesNotFitError, TooSlowError
from gpuledger.core.estimate.activation import GIB
from gpuledger.core.estimate.interval import Range
from gpuledger.core.money import HOURS_PER_MONTH
from gpuledger.core.serving.engine import Deployment, ServingConstants, serving_constants
from gpuledger.core.serving.token_price import TokenPrice

SECONDS_PER_DAY, HOURS_PER_DAY, DAYS_PER_MONTH = 86_400.0, 24, Decimal(HOURS_PER_MONTH) / 24
PEAK_FACTOR = 2.0
"""The busiest hour over the mean one; an assumption where nothing is given."""
HIGHEST_LOAD = 0.8
"""Share of the rate that is used at the busiest hour: queues grow without bound near all of it."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is asked of a model."""

    requests_per_day: float
    input_tokens: float
    output_tokens: float
    samples: int = 1
    """Answers per request that are made and of which one is given: test-time compute."""
    peak_factor: float = PEAK_FACTOR
    seconds_per_token: float | None = None
    """The longest that one token of an answer may take."""

    @property
    def output_tokens_per_second(self) -> float:
        """At the busiest hour."""
        return self.requests_per_day * self.samples * self.output_tokens / SECONDS_PER_DAY * self.peak_factor


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """What one instance gives, as copies of a deployment."""

    at: Deployment
    copies: int
    sequences: int
    """At once, of one copy."""
    tokens_per_second: Range
    """Output tokens of the whole instance."""
    seconds_per_token: float
    first_token_seconds: float


def throughput(at: Deployment, copies: int, load: Load, k: ServingConstants | None = None) -> Throughput:
    """Output tokens a second of an instance, as many sequences at once as memory and the latency bound allow.

    Raises:
        DoesNotFitError: the model does not fit.
        TooSlowError: not even one sequence keeps the bound.
    """
    k = k or serving_constants()
    most = at.most_sequences(load.input_tokens, load.output_tokens)
    if most < 1:
        raise DoesNotFitError(at.no_fit(load.input_tokens + load.output_tokens))
    sequences = most
    if load.seconds_per_token is not None:
        sequences = _most_within(at, load, load.seconds_per_token, most, k)
        if sequences < 1:
            fastest = _token_seconds(at, load, 1, k)
            raise TooSlowError(
                f"one sequence alone takes {fastest * 1000:.1f} ms a token on {at.gpus} x {at.gpu.gpu_id},"
                f" over the {load.seconds_per_token * 1000:g} ms allowed",
                fastest * 1000,
            )
    # the samples of a request share its prompt
    prompt = load.input_tokens / load.samples
    mid = at.rate(prompt, load.output_tokens, sequences, k) * copies
    return Throughput(
        at=at,
        copies=copies,
        sequences=sequences,
        tokens_per_second=Range(low=mid * math.exp(-k.low_log), mid=mid, high=mid * math.exp(k.high_log)),
        seconds_per_token=_token_seconds(at, load, sequences, k),
        first_token_seconds=at.prefill_seconds(load.input_tokens, k)
        + at.step_seconds(1, load.input_tokens, k),
    )


def _token_seconds(at: Deployment, load: Load, sequences: int, k: ServingConstants) -> float:
    """Between two tokens of one answer, the prompts of others among them."""
    return sequences / at.rate(load.input_tokens / load.samples, load.output_tokens, sequences, k)


def _most_within(at: Deployment, load: Load, seconds: float, most: int, k: ServingConstants) -> int:
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if _token_seconds(at, load, middle, k) <= seconds:
            low = middle
        else:
            high = middle - 1
    return low


def engine_divisions(gpus: int) -> Iterator[tuple[int, int]]:
    """Accelerators of one copy, and copies of an instance."""
    for tensor in (1, 2, 4, 8, 16):
        if gpus % tensor == 0:
            yield tensor, gpus // tensor


def best_throughput(one: Deployment, gpus: int, load: Load) -> Throughput:
    """The division of an instance that gives most.

    Raises:
        TooSlowError: one fits, and none is as fast as is asked; of the fastest.
        DoesNotFitError: none fits; says why the smallest does not.
    """
    throughputs: list[Throughput] = []
    reason: DoesNotFitError | None = None
    for tensor, copies in engine_divisions(gpus):
        try:
            throughputs.append(throughput(replace(one, gpus=tensor), copies, load))
        except TooSlowError as error:
            # what fits and is slow says more than what does not fit
            if (
                not isinstance(reason, TooSlowError)
                or error.milliseconds_per_token < reason.milliseconds_per_token
            ):
                reason = error
        except DoesNotFitError as error:
            reason = reason or error
    if not throughputs:
        assert reason is not None
        raise reason
    return max(throughputs, key=lambda each: each.tokens_per_second.mid)


@dataclass(frozen=True, kw_only=True)
class ServingCost:
    """A load on one offer. Cases: low is few instances and little money, the case of a fast engine."""

    offer: Mapping[str, Any]
    throughput: Throughput
    load: Load
    usd_per_instance_hour: Decimal

    def instances(self, rate: float, requests_per_day: float | None = None) -> int:
        """For the busiest hour, at no more than the highest load."""
        load = (
            self.load if requests_per_day is None else replace(self.load, requests_per_day=requests_per_day)
        )
        return max(1, math.ceil(load.output_tokens_per_second / (rate * HIGHEST_LOAD)))

    def usd_per_month(self, rate: float, requests_per_day: float | None = None) -> Decimal:
        return self.instances(rate, requests_per_day) * self.usd_per_instance_hour * Decimal(HOURS_PER_MONTH)

    def cases(self) -> dict[str, float]:
        """The rate of each case of the money: a fast engine is the low one."""
        rate = self.throughput.tokens_per_second
        return {"low": rate.high, "mid": rate.mid, "high": rate.low}

    def full_load_usd_per_million_tokens(self, rate: float) -> Decimal:
        """Output tokens, at the full rate all day: what the machine can do, not what the load makes of it."""
        return self.usd_per_instance_hour / Decimal(repr(rate * 3600 / 1e6))

    def break_even(self, api: TokenPrice, rate: float) -> int | None:
        """Requests a day from which the own instances cost less than the API; `None` where they never do.

        With one more instance the cost jumps, so the answer is the least load of the first number of instances that
        can carry the load at which it costs as much as the API.
        """
        per_request = api_usd_per_request(api, self.load)
        if not per_request:
            return None
        one = self.usd_per_instance_hour * HOURS_PER_DAY
        each = replace(self.load, requests_per_day=1.0).output_tokens_per_second
        if not each:
            return None
        carried = math.floor(rate * HIGHEST_LOAD / each)
        needed = math.ceil(one / per_request)
        # what one instance cannot earn, more of the same cannot
        return needed if needed <= carried else None

    def to_dict(
        self, api: TokenPrice | None, months: Decimal, build_usd: Decimal | None = None
    ) -> dict[str, Any]:
        """JSON-ready; money as decimal strings, cases low, mid and high."""
        throughput, cases = self.throughput, self.cases()
        monthly = {case: self.usd_per_month(rate) for case, rate in cases.items()}
        lifetime = {case: usd * months + (build_usd or 0) for case, usd in monthly.items()}
        requests = Decimal(repr(self.load.requests_per_day)) * DAYS_PER_MONTH
        output_tokens = Decimal(repr(self.load.output_tokens)) * self.load.samples
        at = throughput.at
        return {
            **{
                name: self.offer[name]
                for name in ("provider", "instance_type", "region", "gpu_id", "gpu_count")
            },
            **{name: self.offer[name] for name in ("purchase_option", "price_id", "price_state")},
            "usd_per_instance_hour": decimal_text(self.usd_per_instance_hour),
            "tensor_parallel": at.gpus,
            "copies": throughput.copies,
            "precision": at.precision,
            "cache_precision": at.cache_precision,
            "sequences_at_once": throughput.sequences * throughput.copies,
            "tokens_per_second": _rounded(vars(throughput.tokens_per_second)),
            "milliseconds_per_token": round(throughput.seconds_per_token * 1000, 2),
            "first_token_milliseconds": round(throughput.first_token_seconds * 1000, 1),
            "usd_per_million_output_tokens": {
                case: f"{usd / (requests * output_tokens) * 1_000_000:.4f}" for case, usd in monthly.items()
            }
            if requests and output_tokens
            else None,
            "full_load_usd_per_million_output_tokens": {
                case: f"{self.full_load_usd_per_million_tokens(rate):.4f}" for case, rate in cases.items()
            },
            "instances": {case: self.instances(rate) for case, rate in cases.items()},
            "usd_per_month": {case: f"{usd:.2f}" for case, usd in monthly.items()},
            "usd_per_request": {case: f"{usd / requests:.6f}" for case, usd in monthly.items()}
            if requests
            else None,
            "usd_lifetime": {case: f"{usd:.2f}" for case, usd in lifetime.items()},
            "break_even_requests_per_day": None
            if api is None
            else {case: self.break_even(api, rate) for case, rate in cases.items()},
            "benchmarks": _benchmarks(at.gpu.gpu_id),
            "memory": memory(at, self.load.input_tokens + self.load.output_tokens),
        }


def _benchmarks(gpu_id: str) -> int:
    """Published throughputs of that accelerator that the constants were fitted on; 0 is a sign to look twice."""
    return sum(row["gpu_id"] == gpu_id for row in seeds.rows("serving_benchmark"))


def memory(at: Deployment, tokens: float) -> dict[str, Any]:
    """What inference takes, and the largest context and batch that fit."""
    return {
        "weights_gib": round(at.weight_bytes / GIB, 3),
        "cache_gib_per_1k_tokens": round(at.cache_bytes_per_token * 1000 / GIB, 6),
        "free_for_cache_gib": round(max(at.cache_bytes, 0.0) / GIB, 3),
        "largest_batch": at.fitting_sequences(tokens),
        "longest_context": at.longest_context(),
    }


def api_usd_per_request(api: TokenPrice, load: Load) -> Decimal:
    """Samples are requests of their own at most APIs: the prompt is paid once, the answers each."""
    return api.usd(Decimal(repr(load.input_tokens)), Decimal(repr(load.output_tokens * load.samples)))


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in values.items()}

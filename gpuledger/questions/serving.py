"""What it costs to serve a model: on own accelerators, and at an API."""

from __future__ import annotations

import math
from collections import Counter
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from gpuledger import parse
from gpuledger.core.count import counted
from gpuledger.core.errors import (
    DoesNotFitError,
    InvalidPlanError,
    NoOfferError,
    TooSlowError,
    UsageError,
)
from gpuledger.parse import When
from gpuledger.questions.actuals import Actuals
from gpuledger.questions.decisions import Number
from gpuledger.questions.reader import Rows

if TYPE_CHECKING:
    from gpuledger.core.estimate.architecture import Architecture
    from gpuledger.core.serving.cost import Load, ServingCost
    from gpuledger.core.serving.token_price import TokenPrice

MANY_INSTANCES = 100
LONG_CONTEXT = 131_072
"""Tokens of most networks of 2024 to 2026 (`max_position_embeddings` of Llama 3.1, Qwen 2.5, Mistral)."""
NO_DOLLARS, NOT_FRESH = "no price in US dollars", "its price is not fresh"


class Serving(Actuals):
    """Each question once."""

    def token_prices(self, words: str = "", *, as_of: When = None) -> Rows:
        """What APIs take for a million tokens of input, output, cached input and fine-tuning, on a day.

        Args:
            words: only those whose `provider/model` has all of them.
        """
        from gpuledger.core.serving.token_price import FIRST_DAY, prices_on

        day = self._day(as_of)
        rows = [one.to_dict() for one in prices_on(day, words)]
        if day < FIRST_DAY:
            return Rows(rows, remarks=[f"no API had a price of tokens on {day}; the first is of {FIRST_DAY}"])
        if not rows:
            return Rows(rows, remarks=[f"no API in the table has {words!r} in its name"])
        undated = sum(row["valid_from"] is None for row in rows)
        remark = f"{undated} of {len(rows)} prices have no date: since when they held is not known"
        return Rows(rows, remarks=[remark] if undated else [])

    def serve_cost(
        self,
        model: str,
        *,
        requests_per_day: Number,
        input_tokens: Number = 1000,
        output_tokens: Number = 300,
        samples: int = 1,
        peak_factor: float | None = None,
        milliseconds_per_token: float | None = None,
        precision: str | None = None,
        gpu: str | None = None,
        providers: Any = None,
        regions: Any = None,
        purchase_options: Any = "on_demand",
        months: Number = 12,
        api: str | None = None,
        build_usd: Number | None = None,
        as_of: When = None,
        allow_stale: bool = False,
        limit: int = 5,
    ) -> dict[str, Any]:
        """What it costs to serve a model at a load, the cheapest machines first, and from how many requests a day on an
        API costs more.

        Args:
            model: a preset, a Hugging Face name of one, or a count of parameters such as `7B`.
            requests_per_day: each with so many tokens of input and of output.
            samples: answers made per request; the prompt is read once.
            peak_factor: the busiest hour over the mean one.
            milliseconds_per_token: the longest that one token of an answer may take.
            limit: of machines that are told, 1 or more.
            precision: of the weights; 8 bits where the accelerator computes in them, else 16, without.
            api: `provider/model` to compare with.
            build_usd: what training costs once, for the lifetime.

        Raises:
            DoesNotFitError: the model fits on nothing that is on sale.
            NoOfferError: nothing is on sale that was asked for.
        """
        from gpuledger.core.serving.cost import (
            DAYS_PER_MONTH,
            HIGHEST_LOAD,
            PEAK_FACTOR,
            Load,
            api_usd_per_request,
        )
        from gpuledger.core.store.older_price import no_live_price

        load = Load(
            requests_per_day=_positive(requests_per_day, "requests_per_day"),
            input_tokens=_positive(input_tokens, "input_tokens"),
            output_tokens=_positive(output_tokens, "output_tokens"),
            samples=samples,
            peak_factor=PEAK_FACTOR if peak_factor is None else peak_factor,
            seconds_per_token=None if milliseconds_per_token is None else milliseconds_per_token / 1000,
        )
        _check(load, precision, limit)
        shape, assumptions = _shape(model)
        price = self._api(api, as_of)
        offers = self.offers(
            gpu, providers=providers, regions=regions, purchase_options=purchase_options, as_of=as_of
        )
        fastest: list[TooSlowError] = []
        costs, reasons = _costs(
            shape, offers, load, precision, fastest, allow_stale=allow_stale or as_of is not None
        )
        warnings: list[str] = []
        if not costs and NOT_FRESH in reasons:
            # as everywhere: with nothing fresh at all stale prices compete, and the answer says so
            costs, reasons = _costs(shape, offers, load, precision, fastest, allow_stale=True)
            warnings = [no_live_price("list prices", one.offer["last_seen_at"]) for one in costs[:1]]
        if not costs:
            _nothing(offers, reasons, fastest)
        span = parse.required(parse.decimal(months, "months"), "months")
        once = parse.dollars(build_usd, "build_usd", is_total=True)
        api_month = None
        if price is not None:
            requests = parse.required(parse.decimal(requests_per_day, "requests_per_day"), "requests_per_day")
            api_month = api_usd_per_request(price, load) * requests * DAYS_PER_MONTH
        answers = [one.to_dict(price, span, once) for one in costs[:limit]]
        warnings += _signs(load, answers, price)
        return {
            "model": model,
            "parameters": shape.parameters,
            "active_parameters": shape.active_parameters,
            "load": {**vars(load), "months": str(span)},
            "servings": answers,
            "api": None
            if price is None or api_month is None
            else {
                **price.to_dict(),
                "usd_per_request": f"{api_usd_per_request(price, load):.6f}",
                "usd_per_month": f"{api_month:.2f}",
                "usd_lifetime": f"{api_month * span:.2f}",
                "decision": "own" if Decimal(answers[0]["usd_per_month"]["mid"]) < api_month else "api",
            },
            "excluded": [{"reason": reason, "count": count} for reason, count in reasons.items()],
            "warnings": warnings,
            "assumptions": [
                *assumptions,
                f"peak_factor: {load.peak_factor:g}{'' if peak_factor else ' (not given)'}",
                f"instances run all day, and are used to {100 * HIGHEST_LOAD:g} % at the busiest hour",
                "rates are of TensorRT-LLM with many sequences at once; 80 % interval of models left out of the fit",
            ],
        }

    def _api(self, api: str | None, as_of: When) -> TokenPrice | None:
        from gpuledger.core.serving.token_price import token_price

        return None if api is None else token_price(api, self._day(as_of))

    def _day(self, as_of: When) -> date:
        return self.past(as_of)[1].date()


def _check(load: Load, precision: str | None, limit: int) -> None:
    from gpuledger.core.serving.engine import BYTES

    if load.samples < 1 or not 1 <= load.peak_factor < math.inf:
        raise UsageError(f"samples: {load.samples} and peak_factor: {load.peak_factor:g} must be 1 or more")
    if load.seconds_per_token is not None and not 0 < load.seconds_per_token < math.inf:
        raise UsageError(f"milliseconds_per_token: {load.seconds_per_token * 1000:g} must be above 0")
    if precision is not None and precision not in BYTES:
        raise UsageError(f"precision: {precision!r} is none of {', '.join(BYTES)}")
    if limit < 1:
        raise UsageError(f"limit: {limit} must be 1 or more")


def _signs(load: Load, answers: list[dict[str, Any]], price: TokenPrice | None) -> list[str]:
    """What a reader should look at twice."""
    signs: list[str] = []
    count = max(answer["instances"]["mid"] for answer in answers)
    if count > MANY_INSTANCES:
        signs.append(
            f"{counted(count, 'instance')}: whether a provider has so many is not known, and their price is that of one"
        )
    tokens = load.input_tokens + load.output_tokens
    if tokens > LONG_CONTEXT:
        signs.append(f"{tokens:,.0f} tokens at once: whether the model was made for so many is not checked")
    if price is not None and price.undated:
        signs.append(price.undated)
    return signs


def _positive(value: Number, name: str) -> float:
    count = parse.count(value if isinstance(value, float | str) else float(value), name)
    if count is None or count <= 0:
        raise UsageError(f"{name}: {value!r} must be above 0")
    return count


def _shape(model: str) -> tuple[Architecture, list[str]]:
    from gpuledger.core.estimate.architecture import resolve

    keys: dict[str, Any] = {"name": "serving", "method": "pretrain", "training_tokens": 1e9}
    try:
        plan = parse.plan(keys | {"model": model})
    except InvalidPlanError as error:
        try:
            plan = parse.plan(keys | {"parameters": parse.count(model, "model")})
        except (InvalidPlanError, UsageError):
            raise error from None
    shape, assumptions, _ = resolve(plan)
    if not shape.causal and not shape.decoder_layers:
        raise UsageError(
            f"model: {model} reads text and writes none; serve-cost is of models that write tokens"
        )
    return shape, assumptions


def _costs(
    shape: Architecture,
    offers: Rows,
    load: Load,
    precision: str | None,
    slow: list[TooSlowError],
    *,
    allow_stale: bool,
) -> tuple[list[ServingCost], Counter[str]]:
    """The cheapest offer of each machine at each provider, by what the load costs a month; those that are too slow are
    added to `slow`."""
    from gpuledger.core.gpu import gpus
    from gpuledger.core.serving.cost import ServingCost, best_throughput
    from gpuledger.core.serving.engine import deployment_of

    reasons = Counter(NO_DOLLARS for offer in offers if not offer["usd_per_hour"])
    best: dict[tuple[str, str, int], ServingCost] = {}
    throughputs: dict[tuple[str, int], Any] = {}
    for offer in sorted((o for o in offers if o["usd_per_hour"]), key=lambda o: o["usd_per_hour"]):
        count = int(offer["gpu_count"] or 0)
        key = offer["provider"], offer["gpu_id"], count
        card = gpus().get(offer["gpu_id"] or "")
        if key in best:
            continue
        if not allow_stale and offer["price_state"] not in ("fresh", "recorded"):
            reasons[NOT_FRESH] += 1
            continue
        if card is None or count < 1 or offer["gpu_count"] != count or card.memory_bytes_per_second is None:
            reasons["accelerator without a data sheet, or a part of one"] += 1
            continue
        if key[1:] not in throughputs:
            rates = card.peak_flops_per_second
            kind = precision or ("fp8" if rates.get("fp8") else "bf16" if rates.get("bf16") else "fp16")
            try:
                throughputs[key[1:]] = best_throughput(
                    deployment_of(shape, card, 1, precision=kind), count, load
                )
            except (DoesNotFitError, InvalidPlanError) as error:
                throughputs[key[1:]] = error
                if isinstance(error, TooSlowError):
                    slow.append(error)
        made = throughputs[key[1:]]
        if isinstance(made, Exception):
            reasons[_reason(made)] += 1
            continue
        best[key] = ServingCost(
            offer=offer, throughput=made, load=load, usd_per_instance_hour=offer["usd_per_hour"]
        )
    ranked = sorted(best.values(), key=lambda one: one.usd_per_month(one.throughput.tokens_per_second.mid))
    return ranked, reasons


def _reason(error: Exception) -> str:
    if isinstance(error, TooSlowError):
        return "no answer is as fast as is asked"
    return "the model does not fit" if isinstance(error, DoesNotFitError) else str(error)


def _nothing(offers: Rows, reasons: Counter[str], slow: list[TooSlowError]) -> None:
    reason_counts = ", ".join(f"{counted(count, 'offer')}: {reason}" for reason, count in reasons.items())
    if slow:
        fastest = min(slow, key=lambda error: error.milliseconds_per_token)
        reason_counts += f"; the fastest: {fastest}"
    if not offers:
        raise NoOfferError("nothing is on sale that was asked for")
    raise DoesNotFitError(reason_counts)

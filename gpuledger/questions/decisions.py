"""Decisions around a training plan: what size a budget trains, own or rent, build or buy, reserve or not, what was paid
against what was planned, and whether numbers can be true."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from gpuledger import parse
from gpuledger.core.errors import NoOfferError, UsageError
from gpuledger.parse import When
from gpuledger.questions.over_time import PlansOverTime
from gpuledger.questions.plans import one_quote
from gpuledger.questions.prices import PriceQuestions
from gpuledger.questions.reader import Rows

if TYPE_CHECKING:
    from gpuledger.core.cost.quote_set import QuoteSet
    from gpuledger.core.plan import TrainingPlan
    from gpuledger.questions.plans import PlanLike

Number = Decimal | int | float | str
ZERO = Decimal(0)


class Decisions(PlansOverTime, PriceQuestions):
    """Each decision once. Money and counts are numbers or text; US dollars throughout."""

    def size(self, budget_usd: Number, *, inference_tokens: float | str = 0, **named: Any) -> dict[str, Any]:
        """The model and token count that a budget trains best at the cheapest offers.

        Args:
            inference_tokens: tokens to be served over the model's life; their cost is part of the budget.
            named: options of `quote`, such as `as_of` or `allow_stale`.

        Raises:
            NoOfferError: the budget trains nothing that can be priced.
        """
        from gpuledger.core.cost.decisions.size import affordable

        usd = parse.required(parse.dollars(budget_usd, "budget_usd", above=ZERO, is_total=True), "budget_usd")
        served = (
            parse.count(inference_tokens, "inference_tokens") if inference_tokens not in (0, "0") else 0.0
        )
        with self.pinned() as same:
            return affordable(usd, served or 0.0, lambda plan: same._best(plan, named)).to_dict()

    def _best(self, plan: TrainingPlan, named: Mapping[str, Any]) -> QuoteSet:
        """The cheapest quote alone, and nothing saved: a search asks many times."""
        from gpuledger.core.cost.quote import quote

        question = self.question(plan, **one_quote(named))
        with self.reading() as snapshot:
            return quote(question, self.market(snapshot, question))

    def own_or_rent(
        self,
        *,
        gpus: int,
        capex_usd: Number,
        gpu: str | None = None,
        rent_usd_per_gpu_hour: Number | None = None,
        utilisation: Number = 1,
        running_usd_per_month: Number = 0,
        watts_per_gpu: Number | None = None,
        usd_per_kwh: Number | None = None,
        as_of: When = None,
    ) -> dict[str, Any]:
        """Buy machines or rent them: the month from which owning has cost less.

        Args:
            gpu: SPEC to rent instead at its cheapest, where no rent is given.
            utilisation: share of the hours in which the machines work, 0 to 1.
            running_usd_per_month: space, repair and people.
            watts_per_gpu: of one GPU with its share of the host; assumed and said where not given.

        Raises:
            UsageError: neither rent nor GPU, or a number out of bounds.
            NoOfferError: the ledger has no on-demand price of that GPU.
        """
        from gpuledger.core.cost.assumption import default_value
        from gpuledger.core.cost.decisions.decision import OwnOrRent, power_usd_per_month

        share = _number(utilisation, "utilisation", above=ZERO, most=Decimal(1))
        if gpus < 1:
            raise UsageError(f"gpus: {gpus} must be 1 or more")
        kwh = parse.dollars(usd_per_kwh, "usd_per_kwh")
        watts, assumptions = _watts(gpu, watts_per_gpu)
        if kwh is None:
            assumptions.append(f"usd_per_kwh: {default_value('usd_per_kwh')} (not given)")
        power = power_usd_per_month(
            gpus,
            watts_per_gpu=watts,
            usd_per_kwh=default_value("usd_per_kwh") if kwh is None else kwh,
            utilisation=share,
        )
        rent, basis = self._rent(gpu, rent_usd_per_gpu_hour, as_of)
        answer = OwnOrRent(
            capex_usd=_number(capex_usd, "capex_usd"),
            gpus=gpus,
            rent_usd_per_gpu_hour=rent,
            utilisation=share,
            running_usd_per_month=_number(running_usd_per_month, "running_usd_per_month") + power,
        ).to_dict()
        return answer | {
            "power_usd_per_month": f"{power:.2f}",
            "rent_basis": basis,
            "assumptions": assumptions,
        }

    def _rent(self, gpu: str | None, rent: Number | None, as_of: When) -> tuple[Decimal, str]:
        inputs = parse.dollars(rent, "rent_usd_per_gpu_hour", above=ZERO)
        if inputs is not None:
            return inputs, "as given"
        if gpu is None:
            raise UsageError(
                "own-or-rent: needs rent_usd_per_gpu_hour, or gpu to take the cheapest price from the ledger"
            )
        best = next(iter(self.cheapest(gpu, as_of=as_of)), None)
        if best is None:
            raise NoOfferError(f"gpu: the ledger has no on-demand price of {gpu}")
        seen = f"last seen {best['last_seen_at']:%Y-%m-%d}"
        return best[
            "usd_per_gpu_hour"
        ], f"{best['provider']} {best['instance_type']}, {best['price_id']}, {seen}"

    def build_or_buy(
        self,
        plan: PlanLike,
        *,
        calls_per_month: Number,
        api_usd_per_1k: Number | None = None,
        api: str | None = None,
        output_share: Number = Decimal("0.25"),
        tokens_per_call: Number = 1000,
        months: Number = 12,
        own_usd_per_1k: Number = 0,
        api_training_usd_per_1k: Number | None = None,
        hosting_usd_per_month: Number | None = None,
        **named: Any,
    ) -> dict[str, Any]:
        """Train and host, or buy from an API: totals, and the calls a month at which they meet.

        Args:
            api_usd_per_1k: what the API takes for 1,000 tokens, where `api` does not say it.
            api: `provider/model` of `token_prices`, at its price of the day asked of.
            output_share: share of a call's tokens that are output, 0 to 1, where `api` says the price.
            own_usd_per_1k: own inference for 1,000 tokens, beside hosting.
            api_training_usd_per_1k: fine-tuning at the API, per 1,000 tokens.
            hosting_usd_per_month: of the own model; the plan's or the lower default without.
            named: options of `quote`, such as `as_of` or `allow_stale`.
        """
        from gpuledger.core.cost.decisions.decision import HOSTING_USD_PER_YEAR, BuildOrBuy, api_usd

        read = parse.plan(plan)
        best = self.quote(read, **one_quote(named))
        per_1k, tuned, basis, undated = self._api_price(api, api_usd_per_1k, output_share, named.get("as_of"))
        hosting = parse.dollars(hosting_usd_per_month, "hosting_usd_per_month")
        hosting = read.costs.hosting_usd_per_month if hosting is None else hosting
        is_assumed = hosting is None
        hosted = HOSTING_USD_PER_YEAR[0] / 12 if hosting is None else hosting
        per_call = _number(tokens_per_call, "tokens_per_call", above=ZERO) / 1000
        tuning = parse.dollars(api_training_usd_per_1k, "api_training_usd_per_1k")
        tuning = tuned if tuning is None else tuning
        answer = BuildOrBuy(
            build_usd=best.mid,
            hosting_usd_per_month=hosted,
            own_usd_per_call=_number(own_usd_per_1k, "own_usd_per_1k") * per_call,
            api_usd_per_call=per_1k * per_call,
            api_training_usd=ZERO
            if tuning is None
            else api_usd(Decimal(repr(read.total_tokens or 0.0)), tuning),
            months=_number(months, "months", above=ZERO),
            calls_per_month=_number(calls_per_month, "calls_per_month"),
        ).to_dict()
        return answer | {
            "training_usd": f"{best.mid:.2f}",
            "quote_id": best.quotes[0].quote_id,
            "hosting_usd_per_month": f"{hosted:.2f}",
            "api_basis": basis,
            "assumptions": [
                *(["hosting: 50,000 USD a year, the lower default"] if is_assumed else []),
                *([undated] if undated else []),
            ],
        }

    def _api_price(
        self, api: str | None, usd_per_1k: Number | None, output_share: Number, as_of: When
    ) -> tuple[Decimal, Decimal | None, str, str | None]:
        """US dollars for 1,000 tokens of calls and of fine-tuning, where they are from, and a sign where that is of no
        day."""
        from gpuledger.core.serving.token_price import token_price

        if (api is None) == (usd_per_1k is None):
            raise UsageError("build-or-buy: give either api, as in openai/gpt-4o-mini, or api_usd_per_1k")
        if api is None:
            return _number(usd_per_1k or 0, "api_usd_per_1k"), None, "as given", None
        share = _number(output_share, "output_share", most=Decimal(1))
        price = token_price(api, self.past(as_of)[1].date())
        training = price.training_usd_per_mtok
        basis = (
            f"{price.api}: {price.input_usd_per_mtok} USD per million tokens of input, {price.output_usd_per_mtok} of"
            f" output, {share * 100:f} % of a call's tokens output; {price.source}"
        )
        return (
            price.usd(1000 * (1 - share), 1000 * share),
            None if training is None else training / 1000,
            basis,
            price.undated,
        )

    def budget_difference(
        self, plan: PlanLike, paid: str | Mapping[str, Number], *, lock: str | None = None, **named: Any
    ) -> Rows:
        """Lines of the plan's cheapest quote against what was paid, then the total.

        Args:
            paid: US dollars by line, or CSV text with the columns `name` and `usd`. Names in the words of a bill (`GPU
                rental`, `Data transfer out`) are taken for the line that they mean, and `billed_as` says so.
            lock: text of a lock, whose prices the plan is taken at.
            named: options of `quote`, such as `as_of` or `allow_stale`.
        """
        from gpuledger.core.cost.decisions.budget import differences, read_actual

        spent = (
            read_actual(paid, "paid")
            if isinstance(paid, str)
            else {name: _charged(usd, f"paid.{name}") for name, usd in paid.items()}
        )
        best = self.quote(plan, lock=lock, **one_quote(named))
        return Rows(row.to_dict() for row in differences(best.lines, spent))

    def reserve(self, gpu: str, *, providers: Any = None, regions: Any = None, as_of: When = None) -> Rows:
        """Reserve or pay by the hour: each provider's cheapest reserved price against its cheapest on-demand one of the
        same machine in the same place, and the share of the hours that must be used before the reservation costs
        less. The lowest share first.

        Raises:
            UnknownGPUError: no such accelerator.
        """
        from gpuledger.core.cost.decisions.decision import commitments

        offers = self.offers(
            gpu,
            providers=providers,
            regions=regions,
            purchase_options=("on_demand", "reserved"),
            as_of=as_of,
        )
        rows = commitments(offers)
        remarks = (
            []
            if rows
            else [f"no provider has both a reserved and an on-demand price of one machine with {gpu}"]
        )
        return Rows(rows, as_of=offers.as_of, remarks=remarks)

    def claims(self, text: str | None = None, *, origin: str = "claims") -> Rows:
        """Numbers of articles, what was stated against what it implies; the shipped ones without a text.

        Raises:
            UsageError: not TOML, or not in the form of the shipped claims.
        """
        from gpuledger.core.cost.decisions.claim import checked_claims

        checked = checked_claims() if text is None else checked_claims(text, origin)
        return Rows(claim.to_dict() for claim in checked)

    def lint(self, plan: PlanLike) -> Rows:
        """Can this be true? A plan against memory, arithmetic and physics; one row per check."""
        from gpuledger.core.cost.decisions.lint import lint_plan

        return Rows(finding.to_dict() for finding in lint_plan(parse.plan(plan)))


def _watts(gpu: str | None, power_watts: Number | None) -> tuple[Decimal, list[str]]:
    """Watts of a GPU with its share of the host, and what was assumed for it."""
    from gpuledger.core.cost.assumption import default_value
    from gpuledger.core.gpu import gpus
    from gpuledger.core.spec import parse_spec

    if power_watts is not None:
        return _number(power_watts, "watts_per_gpu"), []
    chips = [gpus()[gpu_id] for gpu_id in parse_spec(gpu).gpu_ids] if gpu is not None else []
    watts = max((Decimal(str(chip.tdp_watts)) for chip in chips if chip.tdp_watts), default=Decimal(700))
    ratio = default_value("host_power_ratio")
    text = f"watts_per_gpu: {watts * ratio:g} (not given: {watts:g} W of the GPU x {ratio} with its share of the host)"
    return watts * ratio, [text]


def _charged(value: Number, name: str) -> Decimal:
    """US dollars of a line of a bill, which may be a refund."""
    from gpuledger.core.money import dollars_from

    try:
        return dollars_from(str(value))
    except ValueError:
        raise UsageError(f"{name}: {str(value)[:40]!r} is no amount, as in 2.50 or -1250") from None


def _number(
    value: Number, name: str, *, above: Decimal | None = None, most: Decimal | None = None
) -> Decimal:
    return parse.required(parse.decimal(value, name, above=above, most=most), name)

"""Tools of the Model Context Protocol for decisions: how large, own or rent, build or buy, and what was paid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from gpuledger.ledger import Ledger
from gpuledger.mcp_schema import LockText, Past, Plan, Usd
from gpuledger.mcp_text import Answer, in_rows, lock_text


def decision_tools(ledger: Ledger) -> list[Callable[..., Answer]]:
    """The tools, over one ledger."""

    def size_for_budget(
        budget_usd: Usd,
        inference_tokens: Annotated[str, Field(description="Tokens served over its life, as in 2T.")] = "0",
        deadline_hours: Annotated[
            float | None, Field(gt=0, description="Longest run; 90 days without.")
        ] = None,
        as_of: Past = None,
        allow_stale: bool = False,
    ) -> Answer:
        """The model and token count that a budget trains best at the cheapest offers."""
        named = {"deadline_hours": deadline_hours, "as_of": as_of, "allow_stale": allow_stale}
        return ledger.size(budget_usd, inference_tokens=inference_tokens, **named)

    def own_or_rent(
        gpus: Annotated[int, Field(ge=1, description="GPUs bought.")],
        capex_usd: Usd,
        gpu: Annotated[str | None, Field(description="SPEC to rent instead, at its cheapest.")] = None,
        rent_usd_per_gpu_hour: Annotated[str | None, Field(description="Instead of gpu.")] = None,
        utilisation: Annotated[float, Field(gt=0, le=1, description="Share of hours in use.")] = 1.0,
        running_usd_per_month: Usd = "0",
        watts_per_gpu: Annotated[str | None, Field(description="With its share of the host.")] = None,
        usd_per_kwh: Annotated[str | None, Field(description="Electricity; assumed without.")] = None,
        as_of: Past = None,
    ) -> Answer:
        """Buy machines or rent them: the month from which owning has cost less."""
        return ledger.own_or_rent(
            gpus=gpus,
            capex_usd=capex_usd,
            gpu=gpu,
            rent_usd_per_gpu_hour=rent_usd_per_gpu_hour,
            utilisation=utilisation,
            running_usd_per_month=running_usd_per_month,
            watts_per_gpu=watts_per_gpu,
            usd_per_kwh=usd_per_kwh,
            as_of=as_of,
        )

    def build_or_buy(
        plan: Plan,
        calls_per_month: str,
        api: Annotated[str | None, Field(description="As openai/gpt-4o-mini; its price is known.")] = None,
        api_usd_per_1k: Annotated[str | None, Field(description="Instead of api.")] = None,
        output_share: Annotated[float, Field(ge=0, le=1, description="Of a call's tokens.")] = 0.25,
        tokens_per_call: str = "1000",
        months: str = "12",
        own_usd_per_1k: Annotated[str, Field(description="Own inference per 1,000 tokens.")] = "0",
        api_training_usd_per_1k: str | None = None,
        hosting_usd_per_month: str | None = None,
        as_of: Past = None,
        allow_stale: bool = False,
    ) -> Answer:
        """Train and host, or buy from an API: totals, and the calls a month at which they meet."""
        return ledger.build_or_buy(
            plan,
            api=api,
            api_usd_per_1k=api_usd_per_1k,
            output_share=output_share,
            calls_per_month=calls_per_month,
            tokens_per_call=tokens_per_call,
            months=months,
            own_usd_per_1k=own_usd_per_1k,
            api_training_usd_per_1k=api_training_usd_per_1k,
            hosting_usd_per_month=hosting_usd_per_month,
            as_of=as_of,
            allow_stale=allow_stale,
        )

    def budget_difference(
        plan: Plan,
        paid: Annotated[dict[str, str], Field(description="US dollars by line, as quote_plan names them.")],
        lock: LockText = None,
        as_of: Past = None,
        allow_stale: bool = False,
    ) -> Answer:
        """Lines of the plan's cheapest quote against what was paid, then the total."""
        rows = ledger.budget_difference(
            plan, paid, lock=lock_text(lock), as_of=as_of, allow_stale=allow_stale
        )
        return in_rows("lines", rows)

    def check_claims() -> Answer:
        """Numbers of articles about training costs: what was stated against what it implies."""
        return in_rows("claims", ledger.claims(), ("claim", "verdict", "finding"))

    def lint_plan(plan: Plan) -> Answer:
        """Can a plan be true? Checks it against memory, arithmetic and physics."""
        return in_rows("findings", ledger.lint(plan))

    return [size_for_budget, own_or_rent, build_or_buy, budget_difference, check_claims, lint_plan]

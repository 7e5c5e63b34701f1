"""Tools of the Model Context Protocol about what was paid, serving, and runs of one's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from gpuledger.ledger import Ledger
from gpuledger.mcp_schema import Past, Plan
from gpuledger.mcp_text import Answer, in_rows

Ids = Annotated[list[str], Field(description="Ids; all without.")]
MOST = 200


def run_tools(ledger: Ledger) -> list[Callable[..., Answer]]:
    """The tools, over one ledger."""

    def compare_actuals(
        plan: Plan,
        quote_id: Annotated[str | None, Field(description="Of the quote that was planned with.")] = None,
        since: Past = None,
        until: Past = None,
        as_of: Past = None,
        allow_stale: bool = False,
    ) -> Answer:
        """Planned against paid by the imported bills: price and quantity variance apart, idle, not planned."""
        return ledger.compare_actuals(
            plan, quote_id=quote_id, since=since, until=until, as_of=as_of, allow_stale=allow_stale
        )

    def token_prices(
        words: Annotated[str, Field(description="All of them in provider/model, as openai mini.")],
        as_of: Past = None,
    ) -> Answer:
        """What APIs take for a million tokens of input, output, cached input and fine-tuning."""
        rows = ledger.token_prices(words, as_of=as_of)
        return {"prices": rows[:MOST], "rows_cut": max(len(rows) - MOST, 0) or None}

    def serve_cost(
        model: Annotated[str, Field(description="A preset, or a count of parameters such as 7B.")],
        requests_per_day: str,
        input_tokens: str = "1000",
        output_tokens: str = "300",
        samples: Annotated[int, Field(ge=1, description="Answers made per request.")] = 1,
        milliseconds_per_token: Annotated[float | None, Field(gt=0)] = None,
        precision: Annotated[str | None, Field(description="bf16 fp8 fp4 int8 int4.")] = None,
        gpu: Annotated[str | None, Field(description="SPEC, as H100-SXM:8.")] = None,
        provider: Ids = [],  # noqa: B006
        api: Annotated[str | None, Field(description="To compare with, as openai/gpt-4o-mini.")] = None,
        months: str = "12",
        as_of: Past = None,
        allow_stale: bool = False,
        limit: Annotated[int, Field(ge=1, le=20)] = 3,
    ) -> Answer:
        """What serving a model costs at a load, and from how many requests a day on an API costs more."""
        return ledger.serve_cost(
            model,
            requests_per_day=requests_per_day,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            samples=samples,
            milliseconds_per_token=milliseconds_per_token,
            precision=precision,
            gpu=gpu,
            providers=provider or None,
            api=api,
            months=months,
            as_of=as_of,
            allow_stale=allow_stale,
            limit=limit,
        )

    def availability(
        gpu: Annotated[str, Field(description="SPEC, as H100-SXM:8.")],
        gpus: Annotated[int, Field(ge=1)] = 1,
        within_hours: Annotated[float, Field(gt=0)] = 24.0,
        stays_hours: Annotated[float, Field(gt=0)] = 6.0,
        provider: Ids = [],  # noqa: B006
        region: Ids = [],  # noqa: B006
        spot: bool = False,
    ) -> Answer:
        """The chance that accelerators are there within a time, and that a spot machine stays."""
        return ledger.availability(
            gpu,
            gpus=gpus,
            within_hours=within_hours,
            stays_hours=stays_hours,
            providers=provider or None,
            regions=region or None,
            purchase_options=["spot"] if spot else ["on_demand"],
        )

    def watch_run(
        log: Annotated[str, Field(max_length=200_000, description="Text of the log or trainer_state.json.")],
        quote_id: str | None = None,
        usd_per_hour: Annotated[str | None, Field(description="Of all machines together.")] = None,
        gpus: Annotated[int | None, Field(ge=1)] = None,
        sequence_length: Annotated[int | None, Field(ge=1)] = None,
    ) -> Answer:
        """Where a training run is, what it spent and what is to come, from its log."""
        return ledger.watch_run(
            log.encode(),
            quote_id=quote_id,
            usd_per_hour=usd_per_hour,
            gpus=gpus,
            sequence_length=sequence_length,
        )

    def estimate_accuracy() -> Answer:
        """How far own estimates were from what happened."""
        return ledger.accuracy()

    def watch_price(
        gpu: Annotated[str, Field(description="SPEC, as H100-SXM:8.")],
        below: Annotated[str, Field(description="US dollars per GPU-hour.")],
        purchase_option: Annotated[
            str, Field(description="on_demand spot reserved capacity_block.")
        ] = "on_demand",
        provider: Ids = [],  # noqa: B006
    ) -> Answer:
        """Wait for a price: after each refresh the user is told, by webhook or mail, once it falls below."""
        return ledger.watch(gpu, below=below, purchase_option=purchase_option, providers=provider or None)

    def end_watch(watch_id: Annotated[str, Field(description="As list_known watches shows it.")]) -> Answer:
        """Wait for a price no longer; the watches that are left."""
        return in_rows("watches", ledger.end_watch(watch_id))

    return [
        *(compare_actuals, token_prices, serve_cost, availability, watch_run, estimate_accuracy),
        *(watch_price, end_watch),
    ]


WRITING = ("watch_price", "end_watch")
"""Tools that change something: the watches of the home, never a price."""

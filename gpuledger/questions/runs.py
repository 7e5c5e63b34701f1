"""Runs of one's own: what they measured, where one is from its log, and how far the estimates were."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gpuledger import parse
from gpuledger.core.errors import InvalidPlanError
from gpuledger.questions.serving import Serving

if TYPE_CHECKING:
    from gpuledger.questions.plans import PlanLike


class OwnRuns(Serving):
    """Each question once."""

    def measure(
        self,
        plan: PlanLike,
        *,
        tokens_per_second: float,
        gpu: str | None = None,
        gpus: int | None = None,
        overhead: float | None = None,
    ) -> dict[str, Any]:
        """Save what a run measured, so that estimates of plans like it rest on it.

        Args:
            tokens_per_second: of the whole job, while it stepped.
            gpu, gpus: what it ran on, where the plan does not say.
            overhead: hours of the whole run over those of its tokens at that speed.

        Raises:
            InvalidPlanError: no accelerator or count, or a speed that cannot be.
        """
        from gpuledger.core.estimate.measurements import append, measurement

        one = parse.plan(plan)
        if gpu is not None or gpus is not None:
            known = {"gpu": gpu or one.hardware.gpu, "gpus": gpus or one.hardware.gpus}
            one = one.model_copy(update={"hardware": one.hardware.model_copy(update=known)})
        if overhead is not None and overhead < 1:
            raise InvalidPlanError("measured.overhead", f"{overhead:g} must be 1 or more")
        made = measurement(one, {"tokens_per_second": tokens_per_second}, self.clock().isoformat(), overhead)
        self.home.create()
        append(self.measured_path, made)
        return json.loads(json.dumps(asdict(made)))

    def watch_run(
        self,
        document: bytes,
        *,
        origin: str = "LOG",
        quote_id: str | None = None,
        usd_per_hour: float | str | None = None,
        gpus: int | None = None,
        tokens_per_step: float | None = None,
        sequence_length: int | None = None,
        steps: int | None = None,
        tokens: float | None = None,
        budget_usd: float | str | None = None,
    ) -> dict[str, Any]:
        """Where a run is, what it spent and what is to come, from its log.

        Args:
            document: `trainer_state.json`, a log of torchtitan, Megatron, nanotron or NeMo, TensorBoard's event file,
                or W&B's summary or history.
            quote_id: price, accelerators and plan are its.
            usd_per_hour: of all machines together.

        Raises:
            UsageError: no reader knows the log, or it does not say how fast the run is.
        """
        from gpuledger.core.actuals.run_log import parse as read_log
        from gpuledger.core.actuals.watch import Watched, watched

        quote = {} if quote_id is None else self.saved_quote(quote_id)
        count = gpus or int(quote.get("paid_gpus") or 1)
        hourly = parse.decimal(None if usd_per_hour is None else str(usd_per_hour), "usd_per_hour")
        if hourly is None and quote.get("usd_per_gpu_hour"):
            hourly = (
                parse.required(parse.decimal(quote["usd_per_gpu_hour"], "usd_per_gpu_hour"), "usd") * count
            )
        about = Watched(
            gpus=count,
            usd_per_hour=None if hourly is None else float(hourly),
            tokens_per_step=tokens_per_step,
            sequence_length=sequence_length,
            steps=steps,
            tokens=tokens,
            budget_usd=None if budget_usd is None else float(budget_usd),
            planned_usd=float(quote["usd_total"]["mid"]) if quote else None,
        )
        return {"log": origin, **watched(read_log(document, origin), about)}

    def accuracy(self) -> dict[str, Any]:
        """How far one's own estimates were from what happened: metered runs against their quotes, and measured speeds
        against computed ones."""
        from gpuledger.core.actuals.accuracy import accuracy_rows, summary
        from gpuledger.core.actuals.runs import runs

        rows = accuracy_rows(runs(self.home.path), self.measurements())
        return {"summary": summary(rows), "runs": rows}

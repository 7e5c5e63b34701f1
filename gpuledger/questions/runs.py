"""Runs of one's own: what they measured, where one is from its log, and how far the estimates were."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gpuledger import parse
from gpuledger.core.errors import InvalidPlanError, NoOfferError, UsageError
from gpuledger.questions.reader import query_rows
from gpuledger.questions.serving import Serving

if TYPE_CHECKING:
    from gpuledger.questions.plans import PlanLike

MOST_HOURS = 24.0 * 90


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
        run: str = "",
    ) -> dict[str, Any]:
        """Save what a run measured, so that estimates of plans like it rest on it.

        Args:
            tokens_per_second: of the whole job, while it stepped.
            gpu, gpus: what it ran on, where the plan does not say.
            overhead: hours of the whole run over those of its tokens at that speed.
            run: its name, where several of one plan count; the same name again takes the place of the earlier one.

        Raises:
            InvalidPlanError: no accelerator or count, or a speed that cannot be.
        """
        from gpuledger.core.estimate.measurements import append_measurement, measurement

        one = parse.plan(plan)
        if gpu is not None or gpus is not None:
            hardware = {"gpu": gpu or one.hardware.gpu, "gpus": gpus or one.hardware.gpus}
            one = one.model_copy(update={"hardware": one.hardware.model_copy(update=hardware)})
        if overhead is not None and overhead < 1:
            raise InvalidPlanError("measured.overhead", f"{overhead:g} must be 1 or more")
        made = measurement(
            one, {"tokens_per_second": tokens_per_second}, self.clock().isoformat(), overhead, run
        )
        self.home.create()
        append_measurement(self.measured_path, made)
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
                or W&B's run file, summary or history.
            quote_id: price, accelerators and plan are its.
            usd_per_hour: of all machines together.

        Raises:
            UsageError: no reader knows the log, or it does not say how fast the run is.
        """
        from gpuledger.core.actuals.run_log import parse as read_log
        from gpuledger.core.actuals.watch import Watched, watched

        quote = {} if quote_id is None else self.saved_quote(quote_id)
        count = gpus or int(quote.get("paid_gpus") or 1)
        hourly, budget = (
            parse.dollars(usd_per_hour, "usd_per_hour"),
            parse.dollars(budget_usd, "budget_usd", is_total=True),
        )
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
            budget_usd=None if budget is None else float(budget),
            planned_usd=float(quote["usd_total"]["mid"]) if quote else None,
        )
        return {"log": origin, **watched(read_log(document, origin), about)}

    def availability(
        self,
        gpu: str,
        *,
        gpus: int = 1,
        within_hours: float = 24.0,
        stays_hours: float = 6.0,
        providers: Any = None,
        regions: Any = None,
        purchase_options: Any = "on_demand",
    ) -> dict[str, Any]:
        """Can I get it: the chance that accelerators are there within a time, and that a spot machine stays, from the
        stock that this ledger saw; "not enough seen" where that is so.

        Args:
            gpus: in one machine; the stock of one offer tells of one machine.
            within_hours: in which one of the offers should be there.
            stays_hours: for which a machine that is there should stay.

        Raises:
            UnknownGPUError: no such accelerator.
            NoOfferError: no offer of so many.
        """
        from gpuledger.core.availability.chance import History, NotEnoughSeen, any_there
        from gpuledger.core.availability.lines import lines_of

        if gpus < 1 or not 0 < within_hours <= MOST_HOURS or not 0 < stays_hours <= MOST_HOURS:
            raise UsageError(
                f"gpus, within_hours and stays_hours: must be above 0, hours at most {MOST_HOURS:g}"
            )
        offers = [
            row
            for row in self.offers(
                gpu, providers=providers, regions=regions, purchase_options=purchase_options
            )
            if (row["max_gpus"] or row["gpu_count"] or 0) >= gpus
        ]
        if not offers:
            raise NoOfferError(f"gpu: no offer of {gpus} x {gpu} was seen")
        now = self.clock()
        with self.reading() as snapshot:
            span_rows = query_rows(
                snapshot.connection,
                "queries/stock_spans",
                {"offer_ids": [row["offer_id"] for row in offers], "now": now},
            )
        lines = lines_of(span_rows, now)
        history = History(spans=tuple(any_there(list(lines.values()))))
        answer: dict[str, Any] = {
            "gpu": gpu,
            "gpus": gpus,
            "offers": len(offers),
            "offers_with_stock": len(lines),
            "days_seen": round(history.days, 2),
            "changes_seen": max(len(history.spans) - 1, 0),
            "share_of_time_there": round(history.share_there, 4) if history.spans else None,
            "is_there": history.spans[-1].is_there if history.spans else None,
            "published": _published(offers) if "spot" in str(purchase_options) else [],
        }
        try:
            history.check()
        except NotEnoughSeen as error:
            return {**answer, "there_within": None, "stays_for": None, "remarks": [str(error)]}
        last = history.spans[-1]
        age = last.ended - last.begun
        there = history.there_within(within_hours, is_there=last.is_there, age_hours=age)
        stays = history.stays_for(stays_hours, age_hours=age if last.is_there else 0.0)
        return {
            **answer,
            "there_within": {"hours": within_hours, "chance": round(there, 4)},
            "stays_for": {"hours": stays_hours, "chance": round(stays, 4)},
            "remarks": ["stock tells of one machine; several at once are no likelier than that"],
        }

    def accuracy(self) -> dict[str, Any]:
        """How far one's own estimates were from what happened: metered runs against their quotes, and measured speeds
        against computed ones."""
        from gpuledger.core.actuals.accuracy import accuracy_rows, summary
        from gpuledger.core.actuals.runs import runs

        rows = accuracy_rows(runs(self.home.path), self.measurements())
        return {"summary": summary(rows), "runs": rows}


def _published(offers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What others recorded of such spot machines, where this ledger has seen too little."""
    from gpuledger.core import seeds

    machines = {(row["provider"], row["instance_type"]) for row in offers}
    return [
        dict(row)
        for row in seeds.rows("spot_survival")
        if (row["provider"], row["instance_type"]) in machines
    ]

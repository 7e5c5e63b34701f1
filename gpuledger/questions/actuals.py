"""What was paid: bills of this home, and how far they are from the plan."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpuledger import parse
from gpuledger.core.count import counted
from gpuledger.parse import When
from gpuledger.questions.outlook import Outlook
from gpuledger.questions.plans import one_quote
from gpuledger.questions.reader import Rows, query_rows

if TYPE_CHECKING:
    from gpuledger.core.plan import TrainingPlan
    from gpuledger.core.store.actuals import LedgerFacts
    from gpuledger.questions.plans import PlanLike


class Actuals(Outlook):
    """Each question once. Bills are read where they lie and stay in the home."""

    def import_actuals(self, path: Path | str, *, provider: str | None = None) -> dict[str, Any]:
        """Take a bill into the home: FOCUS 1.0 to 1.3, a cost and usage report of AWS, RunPod's billing history, Vast's
        invoices, or a table with the usual names of columns.

        Args:
            path: a CSV, Parquet or JSON file, or a folder of one kind of them.
            provider: whose bill it is, where it does not say so itself.

        Raises:
            UsageError: it is in no form that is known, or does not say whose it is.
        """
        from gpuledger.core.store.actuals import import_bill

        self.home.create()
        facts = self._facts()
        return import_bill(
            Path(path), self.home.path, facts, provider=provider, imported_at=self.clock()
        ).to_dict()

    def actual_bills(self) -> Rows:
        """The bills that were imported, the newest last."""
        from gpuledger.core.store.actuals import bills

        return Rows(bills(self.home.path))

    def export_actuals(self, path: Path | str) -> int:
        """Write what was paid as CSV or Parquet in the columns of FOCUS 1.2, ids hashed; returns how many charges.

        Raises:
            UsageError: no bill was imported, or the name says neither form.
        """
        from gpuledger.core.store.actuals import export_focus

        return export_focus(self.home.path, Path(path))

    def compare_actuals(
        self,
        plan: PlanLike,
        *,
        quote_id: str | None = None,
        since: When = None,
        until: When = None,
        as_of: When = None,
        **named: Any,
    ) -> dict[str, Any]:
        """A plan's quote against what the imported bills charged for it: lines with price and quantity variance apart,
        what ran idle, and what was not planned.

        The quote is the one named; else the last that was made of the plan before the charges; else one made now.

        Args:
            quote_id: of the quote that was planned with.
            since: charges that began before it are of no interest; the time of the quote without.
            until: charges that began at it or later are of no interest; now without.
            named: options of `quote`, where one is made.

        Raises:
            UsageError: no bill was imported.
            NoOfferError: no quote of that id, or no offer for a new one.
        """
        from gpuledger.core.actuals.variance import variance
        from gpuledger.core.store import actuals, sql

        one = parse.plan(plan)
        named_since, end = parse.instant(since, "since"), parse.instant(until, "until") or self.clock()
        quoted_at, quote, basis = self._planned_with(one, quote_id, named_since, end)
        if quote is None:
            answer = self.quote(one, as_of=as_of, **one_quote(named))
            quote = answer.quotes[0].to_dict()
            quoted_at, basis = answer.as_of, "made now: no quote of this plan was saved before its charges"
        start = named_since or quoted_at or end
        parameters = {
            "quote_ids": [quote["quote_id"]],
            "plan": one.name,
            "since": start,
            "named_since": named_since,
            "until": end,
            **{
                name: quote[name]
                for name in ("provider", "instance_type", "gpu_id", "region", "purchase_option")
            },
        }
        with actuals.charges(self.home.path) as connection:
            charged = sql.rows(connection, "actuals/actual_lines", parameters)
        lines = variance(quote, charged)
        return {
            "plan": one.name,
            "quote_id": quote["quote_id"],
            "quote_basis": basis,
            "since": start,
            "until": end,
            "lines": [line.to_dict() for line in lines],
            "idle": self._idle(charged, start, end, quote),
            "matched": _matched(charged),
            "unpriced_charges": sum(row["unpriced"] for row in charged),
            "remarks": _remarks(charged),
        }

    def _planned_with(
        self, plan: TrainingPlan, quote_id: str | None, start: datetime | None, end: datetime
    ) -> tuple[datetime | None, dict[str, Any] | None, str]:
        """When a quote of the plan was made, the quote, and why it is that one. A plan of the same name with other keys
        is another plan; of a quote that does not tell its plan's keys the name has to do."""
        from gpuledger.core.cost.explain import plan_hash, saved_quotes_of

        if quote_id is not None:
            quote = self.saved_quote(quote_id)
            return parse.instant(quote["as_of"], "as_of"), quote, "as named"
        own = plan_hash(plan)
        quotes = [
            one for one in saved_quotes_of(self.home, plan.name) if one[1].get("plan_hash") in (None, own)
        ]
        tagged, first_charge = self._tags_of(plan.name, start, end)
        for made_at, quote in quotes:
            if quote["quote_id"] in tagged:
                return made_at, quote, "named by a tag of the bill"
        begun = first_charge or end
        for made_at, quote in quotes:
            if made_at <= begun:
                return made_at, quote, "the last that was made of this plan before its charges"
        return None, None, ""

    def _tags_of(self, plan: str, start: datetime | None, end: datetime) -> tuple[set[str], datetime | None]:
        """Quotes that charges of that time name, and when the first of them began that names the plan."""
        from gpuledger.core.store import actuals, sql

        with actuals.charges(self.home.path) as connection:
            parameters = {"plan": plan, "since": start, "until": end}
            tags = sql.rows(connection, "actuals/actual_tags", parameters)
        begun = [row["plan_first_at"] for row in tags if row["plan_first_at"] is not None]
        return {row["tag_quote"] for row in tags if row["tag_quote"] is not None}, min(begun, default=None)

    def _idle(
        self, charged: list[dict[str, Any]], since: datetime, until: datetime, quote: dict[str, Any]
    ) -> dict[str, Any]:
        """What was paid and did no work: commitments that stood unused, and hours of the machines outside the runs of
        the plan that a meter of this home saw."""
        unused = [row for row in charged if row["is_unused"]]
        planned = [
            row
            for row in charged
            if row["matched_by"] != "not planned" and row["kind"] == "gpu" and not row["is_unused"]
        ]
        begun = min((row["first_at"] for row in planned), default=since)
        busy = self._metered_gpu_hours(begun, until, quote)
        paid = sum(float(row["gpu_hours"] or 0) for row in planned)
        return {
            "unused_commitment_usd": f"{sum((row['usd'] or 0 for row in unused), 0):.2f}",
            "metered_gpu_hours": busy,
            "gpu_hours_outside_runs": None if busy is None else round(max(paid - busy, 0.0), 6),
            "basis": "no run of this plan was metered in this time; what stood idle is not known"
            if busy is None
            else "GPU-hours paid, less those in which a run was metered",
        }

    def _metered_gpu_hours(self, since: datetime, until: datetime, quote: dict[str, Any]) -> float | None:
        from gpuledger.core.actuals.runs import metered_gpu_hours

        return metered_gpu_hours(self.home.path, since, until, plan=quote["plan"], quote_id=quote["quote_id"])

    def _facts(self) -> LedgerFacts:
        from gpuledger.core.actuals.machine import Machines, rows_of
        from gpuledger.core.store.actuals import LedgerFacts

        with self.reading() as snapshot:
            rows = query_rows(snapshot.connection, "queries/bill_machines")
            rates = query_rows(snapshot.connection, "queries/bill_rates")
            prices = query_rows(snapshot.connection, "queries/bill_prices")
        return LedgerFacts(
            machines=Machines(rows_of(rows)),
            rates=[tuple(row.values()) for row in rates],
            prices=[tuple(row.values()) for row in prices],
        )

    def budget_of_actuals(self, plan: PlanLike, **named: Any) -> Rows:
        """The budget of a plan against the imported bills: the rows of `budget_difference`.

        Raises:
            UsageError: no bill was imported.
        """
        keys = ("name", "planned_usd", "actual_usd", "over_usd", "state")
        rows: list[dict[str, Any]] = []
        for line in self.compare_actuals(plan, **named)["lines"]:
            row = {key: line[key] for key in keys}
            planned = float(line["planned_usd"] or 0)
            share = (
                None if not planned or line["over_usd"] is None else float(line["over_usd"]) / planned * 100
            )
            over = None if share is None else f"{share:.1f}"
            rows.append(row | {"over_percent": over, "billed_as": None})
        return Rows(rows)


def _matched(charged: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Charges and dollars by the way they were found to belong to the plan."""
    totals: dict[str, list[Any]] = {}
    for row in charged:
        total = totals.setdefault(row["matched_by"], [0, 0])
        total[0] += row["charges"]
        total[1] += row["usd"] or 0
    return [{"by": by, "charges": count, "usd": f"{usd:.2f}"} for by, (count, usd) in totals.items()]


def _remarks(charged: list[dict[str, Any]]) -> list[str]:
    remarks: list[str] = []
    if not any(row["matched_by"] != "not planned" for row in charged):
        remarks.append(
            "no charge belongs to the plan: none has its tag, and none is for its machine in that time"
        )
    unpriced = sum(row["unpriced"] for row in charged)
    if unpriced:
        remarks.append(
            f"{counted(unpriced, 'charge')} without dollars, and the ledger has no price for it: in no sum"
        )
    without_hours = sum(row["without_hours"] for row in charged)
    if without_hours:
        remarks.append(
            f"{without_hours} charges for GPUs tell no hours in a unit that is known (hours, minutes, seconds, days,"
            " or the same of GPUs): price and quantity are not told apart"
        )
    from_ledger = sum((row["usd_from_ledger"] or 0 for row in charged), 0)
    if from_ledger:
        remarks.append(f"{from_ledger:.2f} USD are list prices of the ledger: the bill has quantities alone")
    return remarks

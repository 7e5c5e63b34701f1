"""What must hold after every step, said once. The rules are those of docs/reliability.md and docs/validity.md, worked
out again here from the archive and from what the world knows, never by the code under test."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import zstandard

from gpuledger.core.cheapest import cheapest_by_provider
from gpuledger.core.store.offers import OfferQuery, offers
from tests.simulation.world import PROVIDERS, World, rows_of

NAME = "if(offer.source = 'changes', offer.offer_id, offer.sku)"
"""What an offer is called here; imported lists have one sku in many places."""

INSTANT = timedelta(seconds=1)
"""Two runs of one source at one time of the simulated clock are a microsecond apart."""


class BrokenError(AssertionError):
    """An invariant does not hold."""


def must(holds: object, what: str) -> None:
    if not holds:
        raise BrokenError(what)


@dataclass(frozen=True)
class Run:
    """One row of scrape_run, with the body of its document where it has one."""

    run_no: int
    run_id: str
    source: str
    observed_at: datetime
    outcome: str
    is_complete: bool
    offers: int
    changes: int
    skipped: int
    disputed: int
    body: bytes | None

    @property
    def prices(self) -> dict[str, Decimal]:
        """Sku and price of every row that states one."""
        return {
            row["sku"]: Decimal(row["usd"]) for row in self.rows if row["usd"] and Decimal(row["usd"]) > 0
        }

    @property
    def rows(self) -> list[dict[str, Any]]:
        return json.loads(self.body or b'{"offers": []}')["offers"]


@dataclass
class Books:
    """The checks of one seed, and what they remember from one step to the next."""

    world: World
    archive: Path
    prices: dict[tuple[str, str, datetime], tuple[Decimal | None, str]] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)
    """Outcome by run, of what was committed."""
    seen_at: dict[tuple[str, str], datetime] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)
    checks: int = 0

    # --- the archive ---

    def archived(self) -> dict[str, dict[str, Any]]:
        """Every manifest; each names documents that are there, whole."""
        manifests: dict[str, dict[str, Any]] = {}
        for path in sorted((self.archive / "runs").glob("*/*/*.json")):
            try:
                manifest = json.loads(path.read_bytes())
            except ValueError as error:
                raise BrokenError(f"the manifest {path.name} is broken: {error}") from None
            must(path.stem == manifest["run_id"], f"{path} names another run")
            manifests[path.stem] = manifest
            for entry in manifest["documents"]:
                self.body(entry["sha256"])
        return manifests

    def body(self, sha256: str) -> bytes:
        if sha256 not in self.bodies:
            path = self.archive / sha256[:2] / f"{sha256}.zst"
            must(path.exists(), f"the archive lacks {sha256}")
            try:
                body = zstandard.ZstdDecompressor().decompress(path.read_bytes())
            except zstandard.ZstdError as error:
                raise BrokenError(f"the archive's {sha256} is broken: {error}") from None
            must(hashlib.sha256(body).hexdigest() == sha256, f"the archive's {sha256} holds other bytes")
            self.bodies[sha256] = body
        return self.bodies[sha256]

    # --- the log ---

    def check_log(self, connection: duckdb.DuckDBPyConnection) -> list[Run]:
        """Everything that one database says about itself, the archive and the world."""
        self.checks += 1
        runs = self._runs(connection)
        self._check_runs(runs)
        self._check_counts(connection, runs)
        prices = self._check_prices(connection, {run.run_no: run for run in runs})
        self._check_current(connection, runs, prices)
        return runs

    def _runs(self, connection: duckdb.DuckDBPyConnection) -> list[Run]:
        documents: dict[int, str] = {}
        for run_no, sha256 in connection.execute("select run_no, sha256 from document").fetchall():
            documents[run_no] = sha256
        rows = connection.execute(
            "select run_no, run_id, source, observed_at, outcome, is_complete, offer_count, change_count,"
            " skipped_count, coalesce(disputed_count, 0) from scrape_run"
        ).fetchall()
        return [
            Run(*row, self.body(documents[row[0]]) if row[0] in documents else None)
            for row in sorted(rows, key=lambda row: row[0])
        ]

    def _check_runs(self, runs: list[Run]) -> None:
        ids = [run.run_id for run in runs]
        must(len(ids) == len(set(ids)), "a run is there twice")
        missing = set(self.runs) - set(ids)
        must(not missing, f"a recorded run is gone: {sorted(missing)[:3]}")
        for run in runs:
            path = self.archive / "runs" / run.run_id[:4] / run.run_id[4:6] / f"{run.run_id}.json"
            must(path.exists(), f"{run.run_id} is in the ledger and not in the archive")
            before = self.runs.setdefault(run.run_id, run.outcome)
            must(before == run.outcome, f"{run.run_id} was {before} and is {run.outcome}")
        times: dict[str, datetime] = {}
        for run in runs:
            if run.source in PROVIDERS:
                must(
                    times.get(run.source, run.observed_at) <= run.observed_at,
                    f"{run.run_id} goes back in time",
                )
                times[run.source] = run.observed_at

    def _check_counts(self, connection: duckdb.DuckDBPyConnection, runs: list[Run]) -> None:
        """Every row of an answer is an offer, or skipped with its reason."""
        skipped = dict(
            connection.execute("select run_no, sum(row_count) from skipped_row group by run_no").fetchall()
        )
        for run in runs:
            must(
                run.skipped == skipped.get(run.run_no, 0),
                f"{run.run_id}: reasons of skipped rows do not add up",
            )
            if run.source not in PROVIDERS:
                continue
            rows = rows_of(run.body) if run.body is not None else None
            if run.outcome == "failed":
                must(run.changes == 0, f"{run.run_id} failed and changed prices")
            elif rows is not None:
                must(
                    run.offers + run.skipped == rows,
                    f"{run.run_id}: {rows} rows came, {run.offers} are offers and {run.skipped} skipped",
                )
            must(
                run.outcome != "accepted" or run.offers >= 2,
                f"{run.run_id} broke its contract and was accepted",
            )

    def _check_prices(
        self, connection: duckdb.DuckDBPyConnection, runs: dict[int, Run]
    ) -> dict[tuple[str, str], list[tuple[datetime, Decimal | None]]]:
        rows = connection.execute(
            f"select offer.source, {NAME}, price_change.observed_at, price_change.amount, price_change.run_no,"
            " document.sha256 from price_change inner join offer using (offer_no)"
            " left join document using (document_no)"
        ).fetchall()
        prices: dict[tuple[str, str], list[tuple[datetime, Decimal | None]]] = defaultdict(list)
        seen: dict[tuple[str, str, datetime], tuple[Decimal | None, str]] = {}
        for source, sku, observed_at, amount, run_no, sha256 in rows:
            key = (source, sku, observed_at)
            must(key not in seen, f"two prices of {sku} at {observed_at}")
            seen[key] = (amount, sha256 or "")
            prices[source, sku].append((observed_at, amount))
            run = runs.get(run_no)
            must(run is not None, f"a price of {sku} is of no run")
            assert run is not None
            must(run.outcome == "accepted", f"{sku} has a price of {run.run_id}, which {run.outcome}")
            if amount is None:
                self._check_withdrawal(sku, run, runs)
                continue
            must(amount > 0, f"{sku} costs {amount}")
            must(sha256, f"the price {amount} of {sku} has no receipt")
            if source in PROVIDERS:
                stated = {(row["sku"], row["usd"]) for row in json.loads(self.body(sha256))["offers"]}
                must(
                    (sku, str(amount.normalize())) in {(s, _plain(u)) for s, u in stated if u},
                    f"the receipt of {sku} does not state {amount}",
                )
                must(
                    (sku, amount) not in self.world.wrong_prices,
                    f"{sku} is believed at {amount}, which nobody asks ({run.run_id})",
                )
        lost = [key for key in self.prices if key not in seen]
        must(not lost, f"a committed price is gone: {lost[:3]}")
        for key, price in self.prices.items():
            must(
                key[0] not in PROVIDERS or seen[key][0] == price[0],
                f"a committed price changed: {key} from {price[0]} to {seen[key][0]}",
            )
        self.prices = seen
        for (_, sku), changes in prices.items():
            changes.sort()
            if sku.split("-")[0] in PROVIDERS and len(changes) > 1:
                same = [a for (_, a), (_, b) in itertools.pairwise(changes) if a == b]
                must(not same, f"{sku} changed to the price that it had: {changes}")
        return prices

    def _check_withdrawal(self, sku: str, run: Run, runs: dict[int, Run]) -> None:
        """Only what two answers in a row lack is withdrawn."""
        if run.source not in PROVIDERS:
            return
        before = [
            other
            for other in runs.values()
            if other.source == run.source and other.outcome == "accepted" and other.run_no <= run.run_no
        ]
        must(
            len(before) > 1 and not any(sku in other.prices for other in before[-2:]),
            f"{sku} was withdrawn by {run.run_id}, and the answers before it list it",
        )

    def _check_current(
        self,
        connection: duckdb.DuckDBPyConnection,
        runs: list[Run],
        prices: dict[tuple[str, str], list[tuple[datetime, Decimal | None]]],
    ) -> None:
        current = {
            (source, sku): (amount, availability, changed_at)
            for source, sku, amount, availability, changed_at in connection.execute(
                f"select offer_current.source, {NAME}, amount, availability, changed_at"
                " from offer_current inner join offer using (offer_no)"
            ).fetchall()
        }
        must(set(current) == set(prices), "offer_current and the log name different offers")
        for key, changes in prices.items():
            must(
                changes[-1] == (current[key][2], current[key][0]),
                f"{key[1]}: the state is not the end of its log",
            )
        left = {
            sku
            for (sku,) in connection.execute(
                "select sku from disputed_latest where is_left_to_operator"
            ).fetchall()
        }
        by_source: dict[str, list[Run]] = defaultdict(list)
        for run in runs:
            if run.outcome == "accepted" and run.source in PROVIDERS:
                by_source[run.source].append(run)
        for source, accepted in by_source.items():
            self._check_belief(source, accepted, current, left)

    def _check_belief(
        self, source: str, accepted: list[Run], current: dict[tuple[str, str], Any], left: set[str]
    ) -> None:
        """What a source has said over two intervals is believed, what it no longer says is gone."""
        every, last = PROVIDERS[source], accepted[-1]
        for sku, amount in last.prices.items():
            since = last.observed_at
            for run in reversed(accepted):
                if run.prices.get(sku) != amount:
                    break
                since = run.observed_at
            believed = current.get((source, sku))
            if last.observed_at - since >= 2 * every and sku not in left:
                must(
                    believed is not None and believed[0] == amount,
                    f"{sku} has cost {amount} for {last.observed_at - since} and is believed at "
                    f"{believed[0] if believed else None}",
                )
            stock = next(row["stock"] for row in last.rows if row["sku"] == sku)
            if believed is not None and believed[0] is not None:
                must(believed[1] == stock, f"{sku} is {stock} and kept as {believed[1]}")
        for (of, sku), (amount, _, _) in current.items():
            if of != source or amount is None or sku in last.prices:
                continue
            absent = []
            for run in reversed(accepted):
                if sku in run.prices:
                    break
                absent.append(run)
            span = absent[0].observed_at - absent[-1].observed_at if absent else timedelta(0)
            must(
                len(absent) < 6 or span < 8 * every,
                f"{sku} was absent from {len(absent)} runs over {span} and is still on sale",
            )

    # --- what readers see ---

    def check_reader(self, connection: duckdb.DuckDBPyConnection, now: datetime) -> None:
        """The prices that are shown, in their order, with their receipts."""
        runs = [run for run in self._runs(connection) if run.outcome == "accepted"]
        shown = offers(connection, OfferQuery(), at=now)
        last_seen: dict[tuple[str, str], datetime] = {}
        fresh_for = dict(connection.execute("select source, fresh_for_seconds from source").fetchall())
        for run in runs:
            for sku in run.prices if run.source in PROVIDERS else ():
                last_seen[run.source, sku] = run.observed_at
        order = []
        for offer in shown:
            state = offer.price_state(now)
            must(offer.amount > 0, f"{offer.sku} is shown at {offer.amount}")
            must(offer.document_sha256, f"{offer.sku} is shown without a receipt")
            self.body(offer.document_sha256 or "")
            order.append((_RANK[state], offer.usd_per_gpu_hour))
            if offer.source not in PROVIDERS:
                continue
            must(
                (offer.sku, offer.amount) not in self.world.wrong_prices,
                f"{offer.sku} is shown at {offer.amount}, which nobody asks",
            )
            seen = last_seen[offer.source, offer.sku]
            must(offer.last_seen_at <= now + INSTANT, f"{offer.sku} was seen in the future")
            if not offer.is_disputed:
                must(
                    offer.last_seen_at == seen,
                    f"{offer.sku} was seen at {seen}, shown as {offer.last_seen_at}",
                )
                before = self.seen_at.get((offer.source, offer.sku), seen)
                must(before <= seen, f"{offer.sku} was seen at {before}, and is now of {seen}")
                self.seen_at[offer.source, offer.sku] = seen
            is_old = now > offer.last_seen_at + timedelta(seconds=fresh_for[offer.source])
            must(
                not (is_old and state == "fresh"),
                f"{offer.sku} is fresh and was seen at {offer.last_seen_at}",
            )
            must(is_old or state != "stale", f"{offer.sku} is stale and was seen at {offer.last_seen_at}")
        must(order == sorted(order), f"the order is not by state and price: {order}")
        ranking = cheapest_by_provider(shown, at=now).ranking
        alive = [rank for rank in order if rank[0] < _RANK["lapsed"]]
        if alive:
            first = ranking[0].offer
            must(
                (_RANK[first.price_state(now)], first.usd_per_gpu_hour) == alive[0],
                "the cheapest is not the first",
            )

    def check_intervals(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Of one offer no interval overlaps the next."""
        rows = connection.execute(
            "select source, offer_id, valid_from, valid_to from price_history order by source, offer_id, valid_from"
        ).fetchall()
        for (source, offer, start, end), (other_source, other, next_start, _) in itertools.pairwise(rows):
            must(end is None or start < end, f"an interval of {offer} ends before it begins")
            if (source, offer) == (other_source, other):
                must(end is not None and end <= next_start, f"intervals of {offer} overlap at {next_start}")


_RANK = {"fresh": 0, "recorded": 0, "stale": 1, "unlisted": 2, "sold_out": 3, "lapsed": 4}


def _plain(usd: str) -> str:
    return str(Decimal(usd).normalize())

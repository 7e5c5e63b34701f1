"""The ledger as a Python user has it, and every face with him."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpuledger.core.errors import UsageError
from gpuledger.questions.runs import OwnRuns

if TYPE_CHECKING:
    import duckdb


class Ledger(OwnRuns):
    """What GPU clouds charged, when, and what a training plan costs with it. Every question is a method.

    It reads the newest snapshot of a home and never the network. Where there is no ledger yet, the first question
    starts one from the bundled price list and history.

        ledger = gpuledger.Ledger()
        ledger.cheapest("H100-SXM")[0]["usd_per_gpu_hour"]
        ledger.quote("llama-2-7b-qlora", deadline_hours=12).mid

    Args:
        home: the folder of the ledger; `GPULEDGER_HOME`, else `~/.local/share/gpuledger` without.
        clock: gives the time now; decides which prices are stale.
        environ: where settings and own terms are looked up; the process's own without.
        snapshots: opens snapshots; the newest one for each question without.
        say: gets remarks for a person; the log gets them without.
        query_limits: what SQL of others may take.
    """

    def connect(self, *, read_only: bool = True) -> duckdb.DuckDBPyConnection:
        """The newest snapshot as a DuckDB connection, for a `with` block or to be closed when done. There is no writing
        from here.

        Raises:
            UsageError: asked for writing.
        """
        if not read_only:
            raise UsageError(
                "connect: read_only=False: only `gpuledger refresh` and `import` write the ledger"
            )
        from gpuledger.core.store.publish import open_snapshot

        # the first reader of a new home makes it readable
        with self.reading():
            pass
        return open_snapshot(self.home)

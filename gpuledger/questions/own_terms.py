"""What a home holds of the user's own: other terms than the list's, and measured runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpuledger.core.errors import UsageError
from gpuledger.questions.reader import LedgerReader

if TYPE_CHECKING:
    from gpuledger.core.cost.market.own_terms import Overrides
    from gpuledger.core.estimate.measurements import Measurement


class OwnTerms(LedgerReader):
    """A ledger with its user's own terms and measurements."""

    def overrides(self) -> Overrides:
        """The user's own terms, read anew for every answer: `GPULEDGER_OVERRIDES`, else `overrides.toml` of the home;
        none without a file.

        Raises:
            ConfigError: the file is wrong.
            UsageError: the file that the variable names cannot be read.
        """
        from gpuledger.core.cost.market.own_terms import Overrides, read_overrides

        named = self.environ.get("GPULEDGER_OVERRIDES")
        path = Path(named) if named else self.home.path / "overrides.toml"
        try:
            return read_overrides(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            if named:
                raise UsageError(f"GPULEDGER_OVERRIDES: cannot read {path}: {error}") from error
            return Overrides()

    @property
    def measured_path(self) -> Path:
        """Where measured runs are."""
        return self.home.path / "measured.json"

    def measurements(self) -> tuple[Measurement, ...]:
        """The user's own measured runs."""
        if not self.measured_path.exists():
            return ()
        from gpuledger.core.estimate.measurements import read

        return tuple(read(self.measured_path))

    def calibrate(self, text: str, *, syntax: str) -> dict[str, Any]:
        """Save a measured run, so that estimates of plans like it rest on it.

        Args:
            text: a plan with a table `[measured]` that holds `tokens_per_second` or `step_seconds`.
            syntax: `toml` or `json`.
        """
        from dataclasses import asdict

        from gpuledger.core.estimate.measurements import append, read_run

        measured = read_run(
            text, syntax="toml" if syntax == "toml" else "json", measured_at=self.clock().isoformat()
        )
        self.home.create()
        append(self.measured_path, measured)
        return json.loads(json.dumps(asdict(measured)))

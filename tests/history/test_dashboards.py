"""The queries of the price dashboard run on a snapshot and give rows."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PANELS = json.loads((ROOT / "deploy" / "dashboard-prices.json").read_text())["panels"]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: str(panel["id"]))
def test_a_panel_has_rows(snapshot, panel):
    for target in panel["targets"]:
        assert snapshot.execute(target["rawSql"].replace("$gpu", "a100-sxm-40gb")).fetchall()

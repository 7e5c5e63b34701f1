"""`docs/networks.md`, the networks whose counts are checked: `python -m tools.docs.network_page > docs/networks.md`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gpuledger.core.estimate.architecture import resolve
from gpuledger.core.huggingface.model_types import MODEL_TYPES
from gpuledger.core.plan import plan_from_mapping

GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "golden" / "networks.jsonl"
HEAD = """# Networks

`gpuledger estimate config.json` and `model = "config.json"` in a plan read the configuration that a hub publishes
beside the weights, as its `model_type` means it. What a file leaves out has the default of its class in the
transformers library (`sql/seeds/model_type_default.csv`, release 5.24). A type that is not in this list is refused
by name: its keys may mean something else. Give `parameters` and `active_parameters`, or the keys of
`[architecture]`, for such a network.

Known types: {types}.

Counts of published networks, in billions. A test holds each within 0.5 %. Source: the network that the transformers
library builds from the file without weights, or the count published with the weights. Written by `make docs`.

| Network | `model_type` | Published | Counted | Active | Source of the published count |
| --- | --- | --: | --: | --: | --- |
"""


def page(networks: Sequence[Mapping[str, Any]]) -> str:
    """The page as Markdown."""
    lines = [HEAD.format(types=", ".join(f"`{name}`" for name in sorted(MODEL_TYPES)))]
    for row in networks:
        shape, _, _ = resolve(plan_from_mapping({**row["config"], "training_tokens": 1e9}))
        lines.append(
            f"| {row['model']} | `{row['config']['model_type']}` | {row['parameters'] / 1e9:.3f} "
            f"| {shape.counted_parameters / 1e9:.3f} | {shape.counted_active_parameters / 1e9:.3f} "
            f"| {row['source']} |\n"
        )
    return "".join(lines)


if __name__ == "__main__":
    sys.stdout.write(page([json.loads(line) for line in GOLDEN.read_text().splitlines()]))

"""Write `sql/seeds/model_type_default.csv`: what each configuration class of the transformers library assumes.

A `config.json` holds only what differs from its class. Needs transformers in the environment, which the project does
not depend on: `pip install transformers`, then
`python -m tools.model_type_defaults > sql/seeds/model_type_default.csv`.
"""

from __future__ import annotations

import csv
import importlib
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any, cast

from gpuledger.core.huggingface.model_types import MODEL_TYPES
from gpuledger.core.huggingface.reader import DEFAULT_KEYS, NAMES, NESTED


def defaults(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Keys of the reader and their values, those of nested configurations with a dot."""
    for key in sorted(config):
        value = config[key]
        if key in NESTED and isinstance(value, Mapping):
            yield from defaults(cast(Mapping[str, Any], value), f"{key}.")
        elif key in DEFAULT_KEYS and value is not None:
            yield prefix + key, value


def derived(transformers: Any, name: str, config: Mapping[str, Any]) -> set[str]:
    """Keys that the class computes from others, such as a width of four times the hidden size."""
    before, changed = dict(defaults(config)), set[str]()
    for key in (name for names in ("layers", "hidden_size", "attention_heads") for name in NAMES[names]):
        if not isinstance(config.get(key), int):
            continue
        try:
            other = transformers.AutoConfig.for_model(name, **{key: 2 * config[key]}).to_dict()
        except Exception:  # noqa: S112 - a class refuses some combinations; what it refuses it does not compute
            continue
        after = dict(defaults(other))
        changed |= {one for one in before if one != key and after.get(one) != before[one]}
    return changed


def main() -> None:
    """Write the table to standard output."""
    transformers: Any = importlib.import_module("transformers")
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("model_type", "key", "value"))
    for name in sorted(MODEL_TYPES):
        try:
            config = transformers.AutoConfig.for_model(name).to_dict()
        except ValueError:
            continue
        assumed = dict(defaults(config))
        for key in derived(transformers, name, config):
            assumed.pop(key, None)
        for key, value in assumed.items():
            writer.writerow((name, key, json.dumps(value)))


if __name__ == "__main__":
    main()

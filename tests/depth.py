"""How many examples a property is tried with: few in the default suite, all of them in `make deep`."""

import os

IS_DEEP = os.environ.get("GPULEDGER_EXAMPLES") == "all"
HYPOTHESIS_EXAMPLES = 100
"""Of a property that names no number."""


def examples(full: int, *, share: int = 3, least: int = 3) -> int:
    """`full` in `make deep`, else a share of it.

    Args:
        share: one of so many is tried by default.
        least: but never fewer than so many.
    """
    return full if IS_DEEP else max(min(full, least), full // share)

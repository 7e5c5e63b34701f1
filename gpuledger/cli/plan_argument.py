"""PLAN and the flags that make or change a plan, read together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpuledger.cli import context

if TYPE_CHECKING:
    from gpuledger.core.plan import TrainingPlan


def plans_of(argument: str | None, options: dict[str, Any]) -> tuple[list[TrainingPlan], dict[str, Any]]:
    """The plans that PLAN and the flags of a plan mean together, and the options of the question."""
    from gpuledger import parse
    from gpuledger.core.cost.plan_options import split
    from gpuledger.plan_files import with_files

    keys, rest = split(options)
    keys = with_files(keys, Path()) if keys else keys
    if argument is None:
        return [parse.plan_with(None, keys)], rest
    return [parse.plan_with(plan, keys) for plan in context.plans(argument)], rest


def one_of(argument: str | None, options: dict[str, Any]) -> tuple[TrainingPlan, dict[str, Any]]:
    """The one plan that is meant, and the options that were given.

    Raises:
        UsageError: there are several.
    """
    from gpuledger import parse

    plans, rest = plans_of(argument, options)
    chosen = {name: value for name, value in rest.items() if value not in (None, [], (), False)}
    return parse.one(plans, argument or "--model"), chosen

"""Plans from where people keep them: a TOML or JSON file, many plans line by line, a preset, standard
input."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gpuledger.core.errors import InvalidPlanError, UsageError

if TYPE_CHECKING:
    from gpuledger.core.plan import TrainingPlan


def read_plans(argument: str) -> list[TrainingPlan]:
    """The plans that PLAN means; more than one only from JSON lines.

    Raises:
        InvalidPlanError: a plan is wrong; names the line where there are several.
        UsageError: the file cannot be read.
    """
    from gpuledger.core.plan import preset_plan, presets

    if argument == "-":
        return _from_text(sys.stdin.read(), "standard input")
    path = Path(argument)
    if path.suffix in (".toml", ".json", ".jsonl") or path.is_file():
        try:
            return _from_text(path.read_text(encoding="utf-8"), argument)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise UsageError(f"PLAN: cannot read {argument}: {reason}") from error
    if "/" in argument and argument not in presets():
        raise UsageError(f"PLAN: no file and no preset {argument!r}")
    return [preset_plan(argument)]


def one_plan(argument: str) -> TrainingPlan:
    """The plan that PLAN means.

    Raises:
        InvalidPlanError: the plan is wrong.
        UsageError: the file cannot be read, or holds several plans.
    """
    plans = read_plans(argument)
    if len(plans) != 1:
        raise UsageError(f"PLAN: {argument} holds {len(plans)} plans, this command takes one")
    return plans[0]


def _from_text(text: str, origin: str) -> list[TrainingPlan]:
    from gpuledger.core.plan import plan_from_mapping, read_plan

    stripped = text.lstrip("\ufeff \t\r\n")
    if not stripped:
        raise UsageError(f"PLAN: {origin} is empty")
    if not stripped.startswith(("{", "[{")):
        return [read_plan(text, syntax="toml")]
    try:
        return [plan_from_mapping(json.loads(stripped))]
    except json.JSONDecodeError:
        if len(stripped.splitlines()) == 1:
            return [read_plan(stripped, syntax="json")]
    plans: list[TrainingPlan] = []
    for number, line in enumerate(stripped.splitlines(), start=1):
        if line.strip():
            try:
                plans.append(read_plan(line, syntax="json"))
            except InvalidPlanError as error:
                said = str(error).removeprefix(f"plan: {error.field}: ")
                raise InvalidPlanError(f"{origin} line {number}: {error.field}", said) from error
    return plans

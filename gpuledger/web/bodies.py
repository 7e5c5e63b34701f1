"""Bodies of requests: a plan, several, or a plan with what a decision needs beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from gpuledger import parse
from gpuledger.core.errors import InvalidPlanError, UsageError
from gpuledger.core.plan import TrainingPlan, check_length, read_plan
from gpuledger.web.problems import ProblemError

MOST_PLANS = 1000


async def plan_of(request: Request) -> TrainingPlan:
    """The plan that a body is, as JSON or TOML, or `{"preset": NAME}`.

    Raises:
        InvalidPlanError: the plan is wrong, or the body is none.
        ProblemError: another type of content.
    """
    kind, text = await _text(request)
    # off the event loop: other requests are answered meanwhile
    return await run_in_threadpool(_plan, kind, text)


def _plan(kind: str, text: str) -> TrainingPlan:
    if kind == "application/toml":
        return read_plan(text, syntax="toml")
    check_length(text)
    return parse.plan(_object(kind, text))


async def plan_or_none(request: Request) -> TrainingPlan | None:
    """The plan that a body is; `None` where there is no body, so that the parameters may say it."""
    return await plan_of(request) if (await request.body()).strip() else None


async def object_of(request: Request, *keys: str, needed: tuple[str, ...] = ()) -> dict[str, Any]:
    """A body that is an object of some keys.

    Raises:
        InvalidPlanError: it is none.
        UsageError: a key is missing or unknown.
    """
    kind, text = await _text(request)
    content = dict(await run_in_threadpool(_object, kind, text))
    unknown = [key for key in content if key not in keys]
    missing = [key for key in needed if key not in content]
    if unknown or missing:
        wrong = f"unknown key {unknown[0]!r}" if unknown else f"key {missing[0]!r} is missing"
        raise UsageError(f"body: {wrong}; an object of {', '.join(keys)} is needed")
    return content


def plan_in(content: Mapping[str, Any]) -> TrainingPlan:
    """The plan under the key `plan`: its keys, a preset's name, or TOML text.

    Raises:
        InvalidPlanError: it is wrong.
    """
    inputs = content["plan"]
    if not isinstance(inputs, (str, dict)):
        raise InvalidPlanError("plan", f"must be plan keys or text, got {type(inputs).__name__}")
    return parse.plan(cast("dict[str, Any] | str", inputs))


def plans_in(content: Mapping[str, Any]) -> list[TrainingPlan]:
    """The plans under the key `plans`.

    Raises:
        InvalidPlanError: one is wrong.
        UsageError: no list, an empty one, or too many.
    """
    inputs = content["plans"]
    if not isinstance(inputs, list) or not inputs:
        raise UsageError("body: plans must be a list of plans")
    plans = cast("list[Any]", inputs)
    if len(plans) > MOST_PLANS:
        raise UsageError(f"body: {len(plans)} plans, at most {MOST_PLANS}")
    return [plan_in({"plan": one}) for one in plans]


def text_in(content: Mapping[str, Any], key: str) -> str | None:
    """A text under a key, if it is there.

    Raises:
        UsageError: it is no text.
    """
    value = content.get(key)
    if value is not None and not isinstance(value, str):
        raise UsageError(f"body: {key} must be a text, got {type(value).__name__}")
    return value


async def _text(request: Request) -> tuple[str, str]:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    body = await request.body()
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidPlanError("body", f"not UTF-8 text: {error}") from error
    if kind not in ("application/toml", "application/json"):
        raise ProblemError(
            415,
            "unsupported-media-type",
            f"content-type: {kind[:80]!r}; send application/json or application/toml",
        )
    return kind, text


def _object(kind: str, text: str) -> Mapping[str, Any]:
    if kind != "application/json":
        raise ProblemError(415, "unsupported-media-type", f"content-type: {kind!r}; send application/json")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidPlanError("body", f"not JSON: {error}") from error
    if not isinstance(content, dict):
        raise InvalidPlanError("body", f"must be an object of plan keys, got {type(content).__name__}")
    return cast("dict[str, Any]", content)

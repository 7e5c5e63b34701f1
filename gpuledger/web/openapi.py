"""What the OpenAPI document says of answers and bodies, with an example of each."""

from __future__ import annotations

from typing import Any

Responses = dict[int | str, dict[str, Any]]

_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_HEADERS = {
    "ETag": {"schema": {"type": "string"}, "description": "The snapshot that answered."},
    "X-Total-Count": {"schema": {"type": "string"}, "description": "Rows in all, before paging."},
}
DOLLARS = {"type": ["string", "null"], "pattern": r"^-?\d+(\.\d+)?$"}

OFFER_EXAMPLE: dict[str, Any] = {
    "price_id": "runpod:92f1c41de7bb0a31:1795262400000000",
    "offer_id": "92f1c41de7bb0a31",
    "source": "runpod",
    "provider": "runpod",
    "instance_type": "NVIDIA H100 80GB HBM3",
    "region": "global",
    "tier": "secure",
    "gpu_id": "h100-sxm-80gb",
    "gpu_count": 1,
    "gpu_memory_gib": 80,
    "purchase_option": "on_demand",
    "availability": "available",
    "amount": "2.99",
    "currency": "USD",
    "unit": "gpu_hour",
    "usd_per_hour": "2.99",
    "usd_per_gpu_hour": "2.99",
    "last_seen_at": "2026-11-21T12:05:00Z",
    "price_state": "fresh",
    "price_age_hours": 0.4,
}


def _errors(*statuses: int) -> Responses:
    sentence = {
        401: "No valid token",
        403: "For this machine only",
        404: "None of that id",
        406: "No such type",
        410: "The snapshot is gone",
    }
    sentence |= {
        413: "Too large",
        415: "No such type",
        422: "Cannot be answered as asked",
        429: "Too many requests",
    }
    return {
        status: {"description": sentence.get(status, "No ledger yet"), "content": _PROBLEM}
        for status in statuses
    }


def _list(name: str, row: dict[str, Any], example: dict[str, Any], **more: dict[str, Any]) -> Responses:
    schema = {
        "type": "object",
        "required": ["snapshot", "total", name, "next_cursor"],
        "properties": {
            "snapshot": {"type": "integer"},
            "total": {"type": "integer"},
            **more,
            name: {"type": "array", "items": row},
            "next_cursor": {"type": ["string", "null"]},
        },
    }
    shown = {"snapshot": 123, "total": 1, name: [example], "next_cursor": None}
    return {
        200: {
            "description": "Rows; CSV and Parquet hold the rows alone.",
            "headers": _HEADERS,
            "content": {
                "application/json": {"schema": schema, "example": shown},
                "text/csv": {"schema": {"type": "string"}},
                "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}},
            },
        },
        **_errors(401, 406, 422, 429, 503),
    }


_ROW = {
    "type": "object",
    "required": ["price_id", "offer_id", "provider", "region", "gpu_count", "purchase_option", "price_state"],
    "properties": {
        **{name: {"type": "string"} for name in ("price_id", "offer_id", "provider", "region", "currency")},
        "purchase_option": {"enum": ["on_demand", "spot", "reserved", "capacity_block"]},
        "price_state": {"enum": ["fresh", "stale", "unlisted", "sold_out", "lapsed", "recorded"]},
        "gpu_id": {"type": ["string", "null"]},
        "gpu_count": {"type": "number"},
        **dict.fromkeys(("amount", "usd_per_hour", "usd_per_gpu_hour", "upfront_usd"), DOLLARS),
        "last_seen_at": {"type": "string", "format": "date-time"},
        "price_age_hours": {"type": "number"},
    },
}
_AS_OF = {"type": "string", "format": "date-time"}

_REMARKS = {"type": "array", "items": {"type": "string"}}
offers: Responses = _list("offers", _ROW, OFFER_EXAMPLE, as_of=_AS_OF, remarks=_REMARKS) | _errors(410)
cheapest: Responses = _list(
    "offers",
    _ROW,
    OFFER_EXAMPLE | {"rank": 1, "note": ""},
    as_of=_AS_OF,
    remarks=_REMARKS,
)
history: Responses = _list(
    "history",
    {"type": "object", "properties": {"usd_per_gpu_hour": DOLLARS}},
    {
        "step_at": "2026-11-01T00:00:00Z",
        "usd_per_gpu_hour": "2.19",
        "cheapest_provider": "vast",
        "offers": 312,
        "providers": 14,
    },
    is_cut={"type": "boolean"},
    remarks=_REMARKS,
)

_EXAMPLES: dict[str, dict[str, Any]] = {
    "overview": {
        "gpu_id": "h100-sxm-80gb",
        "usd_per_gpu_hour_on_demand": "2.19",
        "provider_on_demand": "vast",
    },
    "changes": {
        "changed_at": "2026-11-20T12:05:00Z",
        "provider": "runpod",
        "usd_per_gpu_hour": "2.19",
        "change": -0.08,
    },
    "gpus": {"gpu_id": "h100-sxm-80gb", "offers": 312, "usd_per_gpu_hour_on_demand": "2.19"},
    "providers": {"provider": "runpod", "offers": 61, "gpus": 34},
    "regions": {"provider": "aws", "region": "us-east-1", "country": "US", "offers": 88},
    "sources": {"source": "runpod", "state": "fresh", "age_hours": 0.4, "target_hours": 3.0},
    "presets": {"name": "llama-2-7b-qlora", "method": "qlora", "model": "llama-2-7b"},
    "unmapped": {"gpu_label": "NVIDIA X", "offers": 3},
    "watches": {"watch_id": "1f0c9a3e", "gpu": "H100-SXM", "below": "2.00", "is_below": False},
    "spread": {"group": "global", "price_state": "fresh", "offers": 13, "min_usd_per_gpu_hour": "1.99"},
    "reserve": {"provider": "lambda", "gpu_id": "h100-sxm-80gb", "break_even_utilisation": "0.61"},
    "index": {
        "price_date": "2026-11-20",
        "gpu_id": "h100-sxm-80gb",
        "price_index": 97.4,
        "usd_per_gpu_hour": "2.19",
    },
    "check": {
        "price_date": "2026-11-20",
        "gpu_id": "h100-sxm-80gb",
        "provider": "runpod",
        "state": "agrees",
        "stored": 0.97,
        "recomputed": 0.97,
    },
}


def rows(name: str) -> Responses:
    """Of a plain list."""
    return _list(name, {"type": "object"}, _EXAMPLES[name])


_AMOUNT = {
    "type": "object",
    "required": ["low", "mid", "high"],
    "properties": {name: {"type": "string"} for name in ("low", "mid", "high")},
}
_QUOTE = {
    "type": "object",
    "required": ["quote_id", "provider", "usd_total", "lines", "receipt"],
    "properties": {
        "quote_id": {"type": "string"},
        "provider": {"type": "string"},
        "usd_total": _AMOUNT,
        "lines": {"type": "array", "items": {"type": "object", "required": ["name", "usd", "basis"]}},
        "receipt": {"type": "object", "required": ["price_id", "observed_at"]},
    },
}
_QUOTE_EXAMPLE: dict[str, Any] = {
    "rank": 1,
    "quote_id": "7a4e9db9fb1d84fd",
    "provider": "runpod",
    "usd_total": {"low": "402.11", "mid": "451.30", "high": "520.94"},
    "lines": [{"name": "gpu time", "usd": "451.30", "basis": "150.9 h x 1 x 2.99 USD"}],
    "price_state": "fresh",
    "receipt": {
        "price_id": "runpod:92f1c41de7bb0a31:1795262400000000",
        "observed_at": "2026-11-21T12:05:00Z",
    },
}


def _object(schema: dict[str, Any], example: dict[str, Any], status: int = 200) -> Responses:
    content = {"application/json": {"schema": schema, "example": example}}
    return {status: {"description": "The answer.", "content": content}}


quotes: Responses = _object(
    {
        "type": "object",
        "required": ["plan", "as_of", "snapshot", "quotes", "excluded"],
        "properties": {"quotes": {"type": "array", "minItems": 1, "items": _QUOTE}},
    },
    {
        "plan": "llama-2-7b-qlora",
        "as_of": "2026-11-21T12:30:00Z",
        "snapshot": 123,
        "quotes": [_QUOTE_EXAMPLE],
    },
    201,
) | _errors(401, 413, 415, 422, 429, 503)
saved: Responses = _object(_QUOTE, _QUOTE_EXAMPLE) | _errors(401, 404, 422, 429, 503)
receipt: Responses = _object(
    {"type": "object", "required": ["quote_id", "chain", "receipt"]},
    {
        "quote_id": "7a4e9db9fb1d84fd",
        "chain": [{"link": "dollars", "what": "451.30 gpu time = 451.30", "state": "lines sum to the total"}],
        "receipt": _QUOTE_EXAMPLE["receipt"],
    },
) | _errors(401, 404, 422, 429, 503)
estimates: Responses = _object(
    {"type": "object", "required": ["plan", "estimates"]},
    {"plan": "llama-2-7b", "estimates": [{"gpu_id": "h100-sxm-80gb", "gpus": 8, "fits": True}]},
) | _errors(401, 413, 415, 422, 429, 503)

plan_body: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "object", "description": 'Plan keys, or {"preset": NAME}.'},
                "examples": {
                    "preset": {"value": {"preset": "llama-2-7b-qlora"}},
                    "plan": {
                        "value": {
                            "name": "support-bot",
                            "method": "qlora",
                            "model": "llama-2-7b",
                            "dataset_tokens": 2e7,
                            "epochs": 3,
                            "sequence_length": 2048,
                        }
                    },
                },
            },
            "application/toml": {"schema": {"type": "string"}},
        },
    }
}


optional_plan_body: dict[str, Any] = {"requestBody": {**plan_body["requestBody"], "required": False}}
"""Where parameters may say the plan instead."""
PLANS: dict[str, Any] = {"type": "array", "minItems": 1, "items": {"type": ["object", "string"]}}
_DATA_ERRORS = _errors(401, 413, 415, 422, 429, 503)


def many(name: str) -> Responses:
    """Of an object that holds one list."""
    schema = {"type": "object", "required": [name], "properties": {name: {"type": "array"}}}
    return _object(schema, {name: []}) | _DATA_ERRORS


def body(**keys: dict[str, Any]) -> dict[str, Any]:
    """A body that is an object of some keys; all but `lock` are needed where there is a plan beside it."""
    optional = {"lock"} if "paid" in keys else set[str]()
    shape = {
        "type": "object",
        "properties": {
            name: schema
            or {"type": ["object", "string"], "description": "Plan keys, a preset's name, or TOML."}
            for name, schema in keys.items()
        },
        "required": [name for name in keys if name not in optional],
        "additionalProperties": False,
    }
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": shape}}}}


watch_body: dict[str, Any] = body(
    gpu={"type": "string", "description": "SPEC, as in H100-SXM."},
    below={"type": ["string", "number"], "description": "US dollars per GPU-hour."},
    purchase_option={"type": "string", "enum": ["on_demand", "spot", "reserved", "capacity_block"]},
    providers={"type": "array", "items": {"type": "string"}, "description": "Provider ids; all without."},
)
watch_body["requestBody"]["content"]["application/json"]["schema"]["required"] = ["gpu", "below"]
watch: Responses = (
    _object({"type": "object", "required": ["watch_id"]}, _EXAMPLES["watches"], 201)
    | _DATA_ERRORS
    | _errors(403)
)
check_body: dict[str, Any] = body(plan={}, lock={"type": "string"})
check_body["requestBody"]["content"]["application/json"]["schema"]["required"] = ["plan"]
watches_left: Responses = many("watches") | _errors(403)
report: Responses = {
    200: {
        "description": "The report.",
        "content": {
            "text/markdown": {"schema": {"type": "string"}},
            "text/html": {"schema": {"type": "string"}},
            "application/yaml": {"schema": {"type": "string"}},
        },
    }
} | _DATA_ERRORS
lock: Responses = (
    _object({"type": "object", "required": ["lock"]}, {"lock": '{"version": 1, ...}'}) | _DATA_ERRORS
)
decision: Responses = (
    _object({"type": "object"}, {"decision": "rent", "break_even_months": "14.20"}) | _DATA_ERRORS
)
price: Responses = (
    _object(
        {"type": "object", "required": ["price_id", "sha256"]},
        {"price_id": "runpod:92f1c41de7bb0a31:1795262400000000", "amount": "2.99", "currency": "USD"},
    )
    | _DATA_ERRORS
    | _errors(404)
)
timing: Responses = (
    _object(
        {"type": "object", "required": ["gpu", "usd_per_gpu_hour"]},
        {"gpu": "H100", "usd_per_gpu_hour": "2.19"},
    )
    | _DATA_ERRORS
)

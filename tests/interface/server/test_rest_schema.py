"""schemathesis asks the real server what its own OpenAPI document allows, and much that it does not."""

import os

import pytest
import requests

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed (dev dependency)")

import httpx  # noqa: E402
from hypothesis import HealthCheck, Phase, given, settings  # noqa: E402
from schemathesis import GenerationMode  # noqa: E402
from schemathesis.checks import not_a_server_error  # noqa: E402
from schemathesis.specs.openapi import checks as openapi  # noqa: E402

pytestmark = [
    pytest.mark.hypothesis,
    pytest.mark.slow,
    # requests, which schemathesis asks with, leaves its sockets to the garbage collector
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

CHECKS = [
    not_a_server_error,
    openapi.status_code_conformance,
    openapi.content_type_conformance,
    openapi.response_schema_conformance,
]
EXAMPLES = int(os.environ.get("GPULEDGER_SCHEMA_EXAMPLES", "1"))
"""`make deep` asks with 4, CI with 100."""
OPERATIONS = 49
MODES = {"allowed": GenerationMode.POSITIVE, "not allowed": GenerationMode.NEGATIVE}
"""By default a route is asked one of them, its neighbour the other."""


LONGEST_ADDRESS = 16_000
"""Characters; the server closes the connection on a longer one."""


@pytest.fixture(scope="module")
def operations(market):
    schema = schemathesis.openapi.from_url(f"{market.url}/openapi.json")
    return [found.ok() for found in schema.get_all_operations()]


def test_the_document_holds_every_route(operations):
    assert len(operations) == OPERATIONS


@pytest.mark.parametrize(
    ("number", "mode"),
    [
        pytest.param(
            number, mode, id=f"{number}-{name}", marks=() if (number + place) % 2 == 0 else pytest.mark.deep
        )
        for number in range(OPERATIONS)
        for place, (name, mode) in enumerate(MODES.items())
    ],
)
def test_no_question_breaks_the_server_or_its_own_description(operations, market, number, mode):
    operation, asked = operations[number], 0
    takes_nothing = not any(True for _ in operation.iter_parameters()) and not operation.body
    if takes_nothing:
        # nothing of it could be wrong
        mode = GenerationMode.POSITIVE

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case):
        nonlocal asked
        asked += 1
        try:
            answer = case.call()
        except (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError):
            # an address longer than the server reads ends the connection, maybe before its refusal is read
            assert len(str(case.query)) > LONGEST_ADDRESS
            return
        case.validate_response(answer, checks=CHECKS)

    ask()
    assert asked
    assert httpx.get(f"{market.url}/healthz").status_code == 200

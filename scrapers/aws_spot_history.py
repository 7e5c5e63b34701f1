"""Asks EC2 for spot prices per availability zone, the one call that needs AWS credentials and a signature.

Not an adapter. It returns documents for the source `aws_spot`, whose `parse` reads them: the bytes as EC2
sent them, to be archived like any other answer. Needs the extra `aws` (boto3), which looks for credentials
in the environment itself; a request is kept without its signature.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from core.document import Document, Request
from core.errors import ConfigError, MissingCredentialError, RefusedFetchError, TransientFetchError
from core.instance import instance_shapes

SOURCE_NAME = "aws_spot"
ACTION = "DescribeSpotPriceHistory"

FILTER_VALUES = 100
"""Instance types of one call; EC2 takes up to 200 values per filter."""

REFUSED = frozenset({"AuthFailure", "UnauthorizedOperation", "OptInRequired", "InvalidClientTokenId"})
"""Error codes that another attempt would meet again; `AuthFailure` is also a region that is not enabled."""


def accelerator_types() -> list[str]:
    """The EC2 types that the seeds know to have accelerators."""
    return [
        name for (provider, name), shape in instance_shapes().items() if provider == "aws" and shape.gpu_count
    ]


def session() -> Any:
    """What knows the credentials and the shape of EC2's answers; to read that takes 0.2 s of a processor, so
    all regions of one refresh share it.

    Raises:
        ConfigError: boto3 is not installed.
        MissingCredentialError: boto3 finds no credentials.
    """
    try:
        import boto3
    except ImportError as error:
        raise ConfigError("spot prices per zone need the extra `aws` (boto3)") from error
    made: Any = cast(Any, boto3).Session()
    if made.get_credentials() is None:
        raise MissingCredentialError(SOURCE_NAME, ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    return made


def spot_price_history(
    region: str,
    instance_types: Sequence[str],
    *,
    now: datetime,
    within: Any,
    endpoint_url: str | None = None,
) -> Iterator[Document]:
    """The current spot prices of a region, one document per page of the answer.

    Args:
        now: prices that hold at this time; also the documents' `fetched_at`.
        within: a `session`.
        endpoint_url: another server that speaks the EC2 query API.

    Raises:
        RefusedFetchError: the account may not ask, or has not enabled the region; carries EC2's error code.
        TransientFetchError: EC2 cannot be reached or answers with an error of its own.
    """
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    # A region in trouble times out (me-south-1, 2026); two short attempts let the others have their turn.
    config = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 2})
    client = within.client("ec2", region_name=region, endpoint_url=endpoint_url, config=config)
    url = f"{client.meta.endpoint_url}/?Action={ACTION}"
    try:
        for body in _pages(client, instance_types, now):
            yield Document(
                source=SOURCE_NAME,
                request=Request(url=url, context={"region": region}),
                body=body,
                fetched_at=now.astimezone(UTC),
                content_type="text/xml",
            )
    except ClientError as error:
        code = str(cast(Any, error).response.get("Error", {}).get("Code"))
        kind = RefusedFetchError if code in REFUSED else TransientFetchError
        raise kind(SOURCE_NAME, url, f"EC2 answers {code}") from None
    # These errors carry what was answered, which may repeat the request with its key.
    except (BotoCoreError, ResponseParserError) as error:
        raise TransientFetchError(SOURCE_NAME, url, type(error).__name__) from None
    finally:
        client.close()


def _pages(client: Any, instance_types: Sequence[str], now: datetime) -> Iterator[bytes]:
    bodies: list[bytes] = []

    def keep_body(http_response: Any, **_: Any) -> None:
        bodies.append(http_response.content)

    client.meta.events.register(f"after-call.ec2.{ACTION}", keep_body)
    paginator = client.get_paginator("describe_spot_price_history")
    for first in range(0, len(instance_types), FILTER_VALUES):
        # As a filter, not as a parameter: a type that EC2 has retired is no error there.
        asked = {"Name": "instance-type", "Values": list(instance_types[first : first + FILTER_VALUES])}
        for _ in paginator.paginate(Filters=[asked], ProductDescriptions=["Linux/UNIX"], StartTime=now):
            yield bodies.pop()

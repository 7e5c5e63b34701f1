"""Asks EC2 for spot prices per availability zone, the one call that needs AWS credentials and a signature.

Not an adapter. It returns documents for the source `aws_spot`, whose `parse` reads them: the bytes as EC2
sent them, to be archived like any other answer. Needs the extra `aws` (boto3), which looks for credentials
in the environment itself; a request is kept without its signature.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from core.document import Document, Request
from core.errors import ConfigError, MissingCredentialError, RefusedFetchError, TransientFetchError
from core.instance import instance_shapes

SOURCE_NAME = "aws_spot"
ACTION = "DescribeSpotPriceHistory"

_TYPES_PER_CALL = 100
_REFUSED = frozenset({"AuthFailure", "UnauthorizedOperation", "OptInRequired", "InvalidClientTokenId"})


def accelerator_types() -> list[str]:
    """The EC2 types that the seeds know to have accelerators."""
    return [
        name for (provider, name), shape in instance_shapes().items() if provider == "aws" and shape.gpu_count
    ]


def spot_price_history(
    regions: Iterable[str],
    instance_types: Sequence[str],
    *,
    now: datetime,
    endpoint_url: str | None = None,
) -> Iterator[Document]:
    """The current spot prices of each region, one document per page of answers.

    Args:
        regions: codes; a region that the account has not enabled ends in an error of that region.
        now: prices that hold at this time; also the documents' `fetched_at`.
        endpoint_url: another server that speaks the EC2 query API, for tests.

    Raises:
        ConfigError: boto3 is not installed.
        MissingCredentialError: boto3 finds no credentials.
        RefusedFetchError: EC2 refuses; carries its error code.
        TransientFetchError: EC2 cannot be reached or answers with an error of its own.
    """
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise ConfigError("spot prices per zone need the extra `aws` (boto3)") from error
    session: Any = cast(Any, boto3).Session()
    if session.get_credentials() is None:
        raise MissingCredentialError(SOURCE_NAME, ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    # Regions in trouble time out (me-south-1, 2026); two short attempts keep one of them from holding up all.
    config = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 2})
    for region in regions:
        client = session.client("ec2", region_name=region, endpoint_url=endpoint_url, config=config)
        yield from _region(client, region, instance_types, now)


def _region(client: Any, region: str, instance_types: Sequence[str], now: datetime) -> Iterator[Document]:
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    url = f"{client.meta.endpoint_url}/?Action={ACTION}"
    bodies: list[bytes] = []

    def keep_body(http_response: Any, **_: Any) -> None:
        bodies.append(http_response.content)

    client.meta.events.register(f"after-call.ec2.{ACTION}", keep_body)
    pages = client.get_paginator("describe_spot_price_history")
    for first in range(0, len(instance_types), _TYPES_PER_CALL):
        asked = list(instance_types[first : first + _TYPES_PER_CALL])
        try:
            for _ in pages.paginate(InstanceTypes=asked, ProductDescriptions=["Linux/UNIX"], StartTime=now):
                yield Document(
                    source=SOURCE_NAME,
                    request=Request(url=url, context={"region": region}),
                    body=bodies.pop(),
                    fetched_at=now.astimezone(UTC),
                    content_type="text/xml",
                )
        except NoCredentialsError as error:
            raise MissingCredentialError(SOURCE_NAME, ("AWS_ACCESS_KEY_ID",)) from error
        except ClientError as error:
            code = str(cast(Any, error).response.get("Error", {}).get("Code"))
            kind = RefusedFetchError if code in _REFUSED else TransientFetchError
            raise kind(SOURCE_NAME, url, f"{region}: {code}") from error
        except BotoCoreError as error:
            raise TransientFetchError(SOURCE_NAME, url, f"{region}: {type(error).__name__}") from error

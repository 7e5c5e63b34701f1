"""The operator as a source: decisions about disputed prices are in the archive beside the answers, so that a replay
takes them in their place."""

from __future__ import annotations

import json
from datetime import timedelta

from gpuledger.core.contract import Contract
from gpuledger.core.document import Document
from gpuledger.core.store.decision import OPERATOR, Decision
from gpuledger.scrapers.source import Source

SOURCE = Source(
    name=OPERATOR,
    homepage="",
    every=timedelta(0),
    requests=(),
    parse=lambda document: iter(()),
    contract=Contract(min_offers=0),
)


def written(decision: Decision) -> bytes:
    """The decision as it is archived."""
    return json.dumps(
        {**vars(decision), "offer_ids": list(decision.offer_ids)}, indent=1, sort_keys=True
    ).encode()


def decision_in(document: Document) -> Decision:
    """The decision of an archived document.

    Raises:
        ParseError: it is none.
    """
    content = document.json()
    try:
        return Decision(**{**content, "offer_ids": tuple(content["offer_ids"])})
    except (TypeError, KeyError) as error:
        raise document.error(f"not a decision: {error!r}") from error

"""The amount of training data in one field, as people say it: tokens, or samples and the tokens of each. The page's
form and the questions of `plan` ask for it."""

from __future__ import annotations

import re

from gpuledger.core.count import LONGEST, MAY_BE, NOUNS, count_from, number_hint
from gpuledger.core.errors import UsageError

FORMS = "write tokens, as in 20M, or samples x tokens of each, as in 5000 x 600"
_TIMES = re.compile(r"x(?![a-wyz])|\bof\b|\btimes\b")
"""`examples` has an x of its own."""
_WORD = re.compile(r"(?:^|(?<=[\s\d.kmbt]))(?P<word>[a-z]+)\s*(?:each|long)?$")
MOST_TOKENS = 1e18
_BYTES = re.compile(r"[kmgtp]i?b(?:ytes)?$|bytes$")


def data_keys(text: str, method: str, name: str = "data") -> dict[str, float]:
    """`5000 x 600`, `5k samples of 600 tokens each`, `20M` or `1T tokens` as keys of a plan; none of an empty text.

    Args:
        name: of the field, for messages.

    Raises:
        UsageError: no such amount, half of one, or one that may be read in two ways.
    """
    folded = re.sub(
        r"\s+", " ", text.strip().lower().replace("\N{MULTIPLICATION SIGN}", "x").replace("*", "x")
    )
    if not folded:
        return {}
    pieces = [folded] if _is_power(folded) else [piece.strip(" ,") for piece in _TIMES.split(folded)]
    seen = f"{name}: {text.strip()[:LONGEST]!r}"
    if len(pieces) > 2:
        raise UsageError(f"{seen} has {len(pieces)} numbers; {FORMS}")
    if not all(pieces):
        raise UsageError(f"{seen} has no number {'after' if pieces[0] else 'before'} the x; {FORMS}")
    counted = [_noun(piece) for piece in pieces]
    if len(pieces) == 1:
        if counted == ["samples"]:
            raise UsageError(f"{seen} says no tokens of a sample; {FORMS}")
        tokens = _number(folded, "dataset_tokens", seen)
        return {"training_tokens" if method == "pretrain" else "dataset_tokens": tokens}
    if counted[0] == "tokens" or counted[1] == "samples":
        pieces.reverse()
        counted.reverse()
    if counted[0] == "tokens" or counted[1] == "samples":
        raise UsageError(f"{seen} counts {counted[0]} twice; {FORMS}")
    samples, each = (
        _number(piece, key, seen) for piece, key in zip(pieces, ("samples", "tokens_per_sample"), strict=True)
    )
    if method == "pretrain":
        return {"training_tokens": samples * each}
    return {"samples": samples, "tokens_per_sample": each}


def _is_power(text: str) -> bool:
    """Whether a text with an x is one number: `2 x 10^6`."""
    try:
        count_from(text, "dataset_tokens")
    except ValueError:
        return False
    return True


def _noun(piece: str) -> str:
    """What a piece counts by its own word: `tokens`, `samples`, or nothing."""
    match = _WORD.search(piece)
    word = match["word"] if match else ""
    return next((noun for noun in ("tokens", "samples") if word in NOUNS[noun]), "")


def _number(piece: str, key: str, seen: str) -> float:
    plain = re.sub(r"\s*\b(?:each|long)$", "", piece)
    try:
        read = count_from(plain, key)
    except ValueError as error:
        if MAY_BE in str(error):
            raise UsageError(f"{seen}: {error}") from None
        if _BYTES.search(plain):
            raise UsageError(f"{seen} is a size in bytes, which says no number of tokens; {FORMS}") from None
        part = f": {piece[:LONGEST]!r}" if _TIMES.search(seen) else ""
        raise UsageError(f"{seen}{part} is no number; {FORMS}{number_hint(plain)}") from None
    if not 0 < read < MOST_TOKENS:
        raise UsageError(f"{seen}: {piece} must be more than 0 and less than {MOST_TOKENS:g}")
    return read

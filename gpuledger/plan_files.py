"""Files that a plan names: a network's `config.json` under `model`, and the data set under `data`, whose tokens are
counted. Only plans that were files themselves, or typed at a terminal, are read so: a server reads no paths of
others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from gpuledger.core.errors import InvalidPlanError
from gpuledger.core.parquet import parquet_batches, parquet_file

CHARACTERS_PER_TOKEN = 4.0
"""Of English text under the tokenizers in use; code and other languages have fewer ("Tokenizer", OpenAI platform
documentation, read 2026: one token is about four characters)."""
TEXT_KEYS = ("text", "content", "instruction", "input", "output", "prompt", "completion", "response", "messages",
             "conversations", "question", "answer", "chosen", "rejected")  # fmt: skip
MOST_BYTES = 20 * 2**30


def with_files(keys: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The keys with the files read that they name, relative to `folder`.

    Raises:
        InvalidPlanError: a file cannot be read, or is not what its key needs.
    """
    meant = dict(keys)
    model = meant.get("model")
    if isinstance(model, str) and model.endswith(".json"):
        meant["model"] = _config(folder / model)
        meant.setdefault("name", (folder / model).resolve().parent.name or "plan")
    if "data" in meant:
        tokenizer = meant.pop("tokenizer", None)
        meant |= _counted(
            folder / str(meant.pop("data")), None if tokenizer is None else folder / str(tokenizer)
        )
    return meant


def _config(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidPlanError("model", f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise InvalidPlanError("model", f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict) or "model_type" not in content:
        raise InvalidPlanError("model", f"{path} is no config.json: it has no model_type")
    return cast("dict[str, Any]", content)


def _counted(path: Path, tokenizer: Path | None) -> dict[str, Any]:
    """Samples and tokens of a data set."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InvalidPlanError(
                "data", f"{path} is larger than 20 GiB; give samples and tokens_per_sample"
            )
        length, how = _length(tokenizer)
        samples, total = 0, 0.0
        for text in _texts(path):
            samples, total = samples + 1, total + length(text)
    except OSError as error:
        raise InvalidPlanError("data", f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise InvalidPlanError("data", f"{path}: {str(error)[:200]}") from error
    if not total:
        raise InvalidPlanError("data", f"{path} holds no text under {', '.join(TEXT_KEYS[:6])} ...")
    basis = f"{path.name}: {samples:,} samples, {how}"
    return {"samples": samples, "tokens_per_sample": total / samples, "data_basis": basis}


def _length(tokenizer: Path | None) -> tuple[Callable[[str], float], str]:
    if tokenizer is None:
        ratio = CHARACTERS_PER_TOKEN

        def assumed(text: str) -> float:
            return len(text) / ratio

        return assumed, f'{ratio:g} characters a token assumed; tokenizer = "tokenizer.json" counts'
    if find_spec("tokenizers") is None:
        raise InvalidPlanError(
            "tokenizer", "needs the package tokenizers; pip install tokenizers, or leave it out"
        )
    from tokenizers import Tokenizer  # pyright: ignore

    counter: Any = cast("Any", Tokenizer).from_file(str(tokenizer))

    def counted(text: str) -> float:
        return len(counter.encode(text).ids)

    return counted, f"counted by {tokenizer.name}"


def _texts(path: Path) -> Iterable[str]:
    """One text per sample: of a line of JSON lines, a row of Parquet, a paragraph of text."""
    if path.suffix == ".parquet":
        yield from _rows(path)
    elif path.suffix == ".jsonl":
        with path.open(encoding="utf-8") as lines:
            yield from (_text(json.loads(line)) for line in lines if line.strip())
    elif path.suffix in (".txt", ".md", ".text"):
        yield from (part for part in path.read_text(encoding="utf-8").split("\n\n") if part.strip())
    else:
        raise InvalidPlanError("data", f"{path.name}: a .jsonl, .parquet or .txt file is needed")


def _rows(path: Path) -> Iterable[str]:
    file = cast("Any", parquet_file(path))
    columns = [name for name in file.schema_arrow.names if name in TEXT_KEYS]
    for rows in parquet_batches(file, columns or None):
        yield from map(_text, rows)


def _text(row: Any) -> str:
    """All text of a sample under the usual keys."""
    if isinstance(row, str):
        return row
    if isinstance(row, list):
        return "\n".join(map(_text, cast("list[Any]", row)))
    if not isinstance(row, dict):
        return ""
    table = cast("dict[str, Any]", row)
    named = [key for key in TEXT_KEYS if table.get(key)]
    return "\n".join(
        _text(table[key]) for key in named or [key for key in ("value", "content") if key in table]
    )


def toml_text(keys: Mapping[str, Any]) -> str:
    """A plan's keys as a TOML file: single values first, then a table for each section."""
    lines = [
        f"{name} = {_toml_value(value)}" for name, value in keys.items() if not isinstance(value, Mapping)
    ]
    for name, section in keys.items():
        if isinstance(section, Mapping):
            pairs = cast("Mapping[str, Any]", section).items()
            lines += [
                "",
                f"[{name}]",
                *(f"{key} = {_toml_value(value)}" for key, value in pairs if value is not None),
            ]
    return "\n".join(line for line in lines if not line.endswith("= null")) + "\n"


def _toml_value(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return (
            str(int(value))
            if isinstance(value, float) and value.is_integer() and abs(value) < 1e15
            else repr(value)
        )
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_toml_value(one) for one in cast('Iterable[Any]', value))}]"
    if isinstance(value, Mapping):
        pairs = cast("Mapping[str, Any]", value).items()
        return "{" + ", ".join(f"{key} = {_toml_value(one)}" for key, one in pairs if one is not None) + "}"
    # JSON's escapes are TOML's
    return json.dumps(str(value))

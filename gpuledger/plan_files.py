"""Files that a plan names: a network's `config.json` under `model`, and the data set under `data`, whose tokens are
counted. Only plans that were files themselves, or typed at a terminal, are read so: a server reads no paths of
others."""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from gpuledger.core.errors import InvalidPlanError
from gpuledger.core.parquet import parquet_batches, parquet_file

BYTES_PER_TOKEN = 4.0
"""Of UTF-8 under the tokenizers in use: four letters of English ("Tokenizer", OpenAI platform documentation, read 2026:
one token is about four characters); a character of Chinese or Japanese has three bytes and about one token."""
TOKENISED_KEY = "input_ids"
"""Where data sets that were tokenised before hold their tokens."""
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
    if isinstance(model, str) and (model.endswith(".json") or _holds_config(folder / model)):
        model = model if model.endswith(".json") else f"{model}/config.json"
        meant["model"] = _config(folder / model)
        meant.setdefault("name", (folder / model).resolve().parent.name or "plan")
    if "data" in meant:
        tokenizer, data = meant.pop("tokenizer", None), str(meant.pop("data"))
        if not data.strip() or "\0" in data:
            raise InvalidPlanError("data", f"{data[:40]!r} is no path of a file")
        meant |= _counted(folder / data, None if tokenizer is None else folder / str(tokenizer))
    return meant


def _holds_config(folder: Path) -> bool:
    """Whether it is a folder of a network as it is downloaded."""
    try:
        return (folder / "config.json").is_file()
    except (OSError, ValueError):
        return False


def _config(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InvalidPlanError("model", f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidPlanError("model", f"{path} is not JSON: {str(error)[:200]}") from error
    if not isinstance(content, dict) or "model_type" not in content:
        raise InvalidPlanError("model", f"{path} is no config.json: it has no model_type")
    return cast("dict[str, Any]", content)


def _counted(path: Path, tokenizer: Path | None) -> dict[str, Any]:
    """Samples and tokens of a data set."""
    if path.is_dir():
        raise InvalidPlanError("data", f"{path} is a folder; name one file")
    empty, samples, total, tokenised = 0, 0, 0.0, 0
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InvalidPlanError(
                "data", f"{path} is larger than 20 GiB; give samples and tokens_per_sample"
            )
        length, how = _length(tokenizer)
        for row in _samples(path):
            tokens = _tokens(row, length)
            empty, samples, total = empty + (tokens == 0), samples + (tokens > 0), total + tokens
            tokenised += _stored_tokens(row) is not None
    except OSError as error:
        raise InvalidPlanError("data", f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InvalidPlanError(
            "data", f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8"
        ) from error
    except RecursionError as error:
        raise InvalidPlanError("data", f"{path}: nested too deeply") from error
    except (EOFError, zlib.error) as error:
        raise InvalidPlanError("data", f"{path}: the archive is cut off or damaged") from error
    except ValueError as error:
        raise InvalidPlanError("data", f"{path}: {str(error)[:200]}") from error
    if not total:
        keys = ", ".join(TEXT_KEYS[:6])
        raise InvalidPlanError("data", f"{path} holds no text under {keys} ..., and no {TOKENISED_KEY}")
    how = TOKENISED_KEY if tokenised == samples + empty else how
    skipped = f", {empty:,} more without text" if empty else ""
    basis = f"{path.name}: {samples:,} sample{'' if samples == 1 else 's'}{skipped}, {how}"
    return {"samples": samples, "tokens_per_sample": total / samples, "data_basis": basis}


def _length(tokenizer: Path | None) -> tuple[Callable[[str], float], str]:
    if tokenizer is None:
        ratio = BYTES_PER_TOKEN

        def assumed(text: str) -> float:
            return len(text.encode("utf-8", "surrogatepass")) / ratio

        return assumed, f'{ratio:g} bytes a token assumed; tokenizer = "tokenizer.json" counts'
    if find_spec("tokenizers") is None:
        raise InvalidPlanError(
            "tokenizer", "needs the package tokenizers; pip install tokenizers, or leave it out"
        )
    from tokenizers import Tokenizer  # pyright: ignore

    try:
        counter: Any = cast("Any", Tokenizer).from_file(str(tokenizer))
    except Exception as error:  # the package raises plain ones
        raise InvalidPlanError("tokenizer", f"cannot read {tokenizer}: {str(error)[:120]}") from error

    def counted(text: str) -> float:
        return len(counter.encode(text).ids)

    return counted, f"counted by {tokenizer.name}"


def _samples(path: Path) -> Iterable[Any]:
    """One entry per sample: of a line of JSON lines, an entry of a JSON list, a row of a table or of Parquet, a
    paragraph of text; packed by gzip or not."""
    kinds = [suffix.lower() for suffix in path.suffixes]
    is_packed = bool(kinds) and kinds[-1] == ".gz"
    kind = (kinds[-2] if len(kinds) > 1 else "") if is_packed else (kinds[-1] if kinds else "")
    if kind == ".parquet" and not is_packed:
        yield from _rows(path)
        return
    if kind not in (*_LINES, *_TABLES, *_TEXTS, ".json"):
        raise InvalidPlanError("data", f"{path.name}: {_KINDS} is needed, packed by gzip or not")
    with (
        gzip.open(path, "rt", encoding="utf-8-sig") if is_packed else path.open(encoding="utf-8-sig") as text
    ):
        if kind in _LINES:
            yield from _of_lines(text)
        elif kind in _TABLES:
            yield from csv.DictReader(text, delimiter=_TABLES[kind])
        elif kind == ".json":
            yield from _of_json(text.read())
        else:
            yield from (part for part in text.read().split("\n\n") if part.strip())


_LINES, _TEXTS = (".jsonl", ".ndjson"), (".txt", ".md", ".text")
_TABLES = {".csv": ",", ".tsv": "\t"}
_KINDS = "a .jsonl, .json, .parquet, .csv, .tsv or .txt file"


def _of_lines(lines: Iterable[str]) -> Iterable[Any]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError as error:
                raise ValueError(f"line {number} is not JSON: {error}") from None


def _of_json(text: str) -> Iterable[Any]:
    """Of a list, of the one list that an object holds, or of lines after all."""
    try:
        whole = json.loads(text)
    except ValueError:
        return _of_lines(text.splitlines())
    if isinstance(whole, dict):
        values = cast("dict[str, Any]", whole).values()
        lists = [cast("list[Any]", one) for one in values if isinstance(one, list)]
        return lists[0] if len(lists) == 1 else [cast("Any", whole)]
    return cast("list[Any]", whole) if isinstance(whole, list) else [whole]


def _rows(path: Path) -> Iterable[Any]:
    file = cast("Any", parquet_file(path))
    columns = [name for name in file.schema_arrow.names if name in (*TEXT_KEYS, TOKENISED_KEY)]
    for rows in parquet_batches(file, columns or None):
        yield from rows


def _tokens(row: Any, length: Callable[[str], float]) -> float:
    """Of one sample: those that it holds already, or those of its text."""
    stored = _stored_tokens(row)
    return length(_text(row)) if stored is None else float(stored)


def _stored_tokens(row: Any) -> int | None:
    tokens = cast("dict[str, Any]", row).get(TOKENISED_KEY) if isinstance(row, dict) else None
    return len(cast("list[Any]", tokens)) if isinstance(tokens, list) else None


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

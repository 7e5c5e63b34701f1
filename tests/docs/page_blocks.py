"""The fenced blocks of a Markdown page, as docs/index.md describes them to readers."""

import doctest
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent, indent

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

EXECUTED = ("console", "sh", "python", "sql", "toml")
SHOWN = ("json", "text", "")
"""What no program runs: answers, client settings and drawings. JSON must be JSON."""

FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)[^\n`]*\n(?P<body>.*?)^(?P=indent)```[ ]*$", re.DOTALL | re.MULTILINE
)
NOT_RUN = re.compile(r"^ *\*Not run by the tests: (?P<reason>[^*]+)\.\*$")
UNSTEADY = (
    # run ids, instants of the clock, hashes of bytes, what they are in number, versions of the constants
    (re.compile(r"\b20\d{6}T\d{6}\.\d+Z"), "..."),
    (re.compile(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(?:Z|\+00:00)"), "..."),
    (re.compile(r"\b([0-9a-f]{8})[0-9a-f]{56}\b"), r"\1..."),
    (re.compile(r"\b\d+ bytes"), "... bytes"),
    (re.compile(r"(version:? )[0-9a-f]{12}\b"), r"\1..."),
)
"""What differs from day to day, and what a page shows in its place."""
FILE = re.compile(r"^(?:#|--) (?P<name>[\w.-]+\.\w+)$")


@dataclass(frozen=True)
class Step:
    """One command, or one Python statement, and what the page shows below it."""

    source: str
    shown: str
    line: int

    def matches(self, seen: str) -> bool:
        """Whether that is what the page shows; `...` stands for anything."""
        return doctest.OutputChecker().check_output(_trimmed(self.shown), _trimmed(seen), doctest.ELLIPSIS)


def _is_whole(command: str) -> bool:
    """Whether a shell would run it rather than wait for the next line."""
    if command.endswith("\\"):
        return False
    try:
        shlex.split(command, comments=True)
    except ValueError:
        return False
    return True


def _trimmed(text: str) -> str:
    lines = [line.rstrip() for line in text.strip("\n").splitlines()]
    return "\n".join(lines).strip("\n") + "\n"


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: Path
    line: int
    language: str
    text: str
    indent: str
    start: int
    """Where the text starts in the page."""
    end: int
    not_run: str | None

    @property
    def file(self) -> str | None:
        """The file that the first line names as a comment, if any."""
        found = FILE.match(self.text.partition("\n")[0])
        return found["name"] if found else None

    @property
    def is_session(self) -> bool:
        """Whether it shows answers, not only what is typed."""
        return self.language == "console" or self.text.startswith(">>> ")

    def steps(self) -> list[Step]:
        """The commands or statements in order."""
        if self.language in ("toml", "sql"):
            return [Step(self.text, "", self.line)]
        if self.language == "python":
            return list(self._statements()) if self.is_session else [Step(self.text, "", self.line)]
        if self.language == "sh" and "<<" in self.text:
            return [Step(self.text, "", self.line)]
        return list(self._commands())

    def _statements(self) -> Iterator[Step]:
        for found in doctest.DocTestParser().get_examples(self.text):
            yield Step(found.source, found.want, self.line + 1 + found.lineno)

    def _commands(self) -> Iterator[Step]:
        prompt = "$ " if self.language == "console" else ""
        command: str | None = None
        shown: list[str] = []
        at = 0
        for number, line in enumerate(self.text.splitlines(), start=self.line + 1):
            if command is not None and not _is_whole(command):
                command += f"\n{line}"
            elif line.startswith(prompt) and line.strip() and not line.startswith("#"):
                if command is not None:
                    yield Step(command, "\n".join(shown), at)
                command, shown, at = line.removeprefix(prompt), [], number
            else:
                shown.append(line)
        assert command is not None, f"{self.page.name}:{self.line}: no command"
        yield Step(command, "\n".join(shown), at)

    def written(self, answers: list[str]) -> str:
        """The text again, with what was seen below the steps that do not show it; what differs from day to
        day becomes `...`."""
        parts: list[str] = []
        for step, answer in zip(self.steps(), answers, strict=True):
            if self.language == "python":
                typed = step.source.splitlines()
                parts += [
                    f"{'...' if number else '>>>'} {line}".rstrip() for number, line in enumerate(typed)
                ]
            else:
                parts.append(f"$ {step.source}")
            shown = step.shown if step.matches(answer) else _steady(answer)
            parts += _trimmed(shown).splitlines() if shown.strip() else []
        return "\n".join(parts) + "\n"


def _steady(text: str) -> str:
    for pattern, kept in UNSTEADY:
        text = pattern.sub(kept, text)
    return text


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page in order."""
    text = page.read_text(encoding="utf-8")
    found: list[Block] = []
    for match in FENCE.finditer(text):
        before = text[: match.start()].rstrip("\n").rpartition("\n")[2]
        mark = NOT_RUN.match(before)
        found.append(
            Block(
                page=page,
                line=text.count("\n", 0, match.start()) + 1,
                language=match["language"],
                text=dedent(match["body"]),
                indent=match["indent"],
                start=match.start("body"),
                end=match.end("body"),
                not_run=mark["reason"] if mark else None,
            )
        )
    return found


def rewrite(page: Path, changed: dict[Block, str]) -> None:
    """Put other text into blocks of a page."""
    text = page.read_text(encoding="utf-8")
    for block in sorted(changed, key=lambda block: block.start, reverse=True):
        text = text[: block.start] + indent(changed[block], block.indent) + text[block.end :]
    page.write_text(text, encoding="utf-8")

"""Somebody who types what a page says: a folder, a home, a terminal, and a market on loopback."""

import io
import os
import pty
import re
import shlex
import socket
import subprocess
import sys
import termios
import time
import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.docs.page_blocks import Block, Step

with warnings.catch_warnings():
    # typer 0.21 imports names that click 8.5 deprecates
    warnings.simplefilter("ignore", DeprecationWarning)
    from gpuledger.cli.main import main

COLUMNS = 100
"""Width of the terminal that the pages show."""
HOME_FILES = ("gpuledger.toml", "overrides.toml")
PORTS = ("8765", "8766")
SERVERS = ("gpuledger serve ", "gpuledger mcp --http")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
EXITS = re.compile(r"# .*\bexits (?P<code>\d)(?P<maybe> if)?")


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what the terminal shows of it."""

    code: int
    text: str


class Terminal(io.StringIO):
    """Standard output that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Remarks(io.TextIOBase):
    """Standard error of the same terminal, without progress bars."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal

    def write(self, text: str, /) -> int:
        return self.terminal.write(text)

    def isatty(self) -> bool:
        return False


@dataclass
class Reader:
    """Runs the steps of one page in order, in a folder and home of its own."""

    folder: Path
    home: Path
    """What `~` means."""
    sources: dict[str, str]
    """Variables that lead every source to loopback."""
    names: dict[str, object] = field(default_factory=lambda: {"__name__": "__main__"})
    exported: dict[str, str] = field(default_factory=dict)
    servers: list[subprocess.Popen[str]] = field(default_factory=list)
    ports: dict[str, str] = field(default_factory=dict)
    commands: int = 0

    @property
    def ledger(self) -> Path:
        return self.home / ".local" / "share" / "gpuledger"

    @property
    def environ(self) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "TERM": "xterm",
            "NO_COLOR": "1",
            "COLUMNS": str(COLUMNS),
            "GPULEDGER_FETCH_ATTEMPTS": "1",
            # whatever would leave the machine meets a closed port
            "ALL_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "127.0.0.1,localhost",
            **self.sources,
            **self.exported,
        }

    def take(self, block: Block) -> list[str]:
        """Run a block; the answers to its steps.

        Raises:
            AssertionError: a step ended otherwise than the page says.
        """
        if block.language == "toml":
            assert block.file, f"{block.page.name}:{block.line}: the first line must name the file"
            self._keep(block.file, block.text)
            self._check_toml(block.file, block.text)
            return []
        if block.language == "sql":
            if block.file:
                self._keep(block.file, block.text)
            ended = self._inside(["gpuledger", "sql", "-", "--format", "jsonl"], typed=block.text)
            assert ended.code == 0 and ended.text.startswith("{"), f"{block.page.name}:{block.line}: {ended}"
            return []
        if block.language == "python" and block.file:
            self._keep(block.file, block.text)
            return []
        answers: list[str] = []
        for step in block.steps():
            self.commands += 1
            answers.append(
                self._python(step, block) if block.language == "python" else self._type(step, block)
            )
        return answers

    def leave(self) -> None:
        """Stop what still serves, as Ctrl-C does."""
        for server in self.servers:
            server.send_signal(2)
            server.communicate(timeout=30)

    def _keep(self, name: str, text: str) -> None:
        place = self.ledger if name in HOME_FILES else self.folder
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text, encoding="utf-8")

    def _check_toml(self, name: str, text: str) -> None:
        from gpuledger.core.config import load_settings
        from gpuledger.core.cost.market.own_terms import read_overrides
        from gpuledger.core.estimate.measurements import measurement_of_text
        from gpuledger.core.plan import read_plan

        if name == "gpuledger.toml":
            load_settings({"HOME": str(self.home)})
        elif name == "overrides.toml":
            read_overrides(text, name)
        elif "[measured]" in text:
            measurement_of_text(text, syntax="toml", measured_at="2026-01-01T00:00:00Z")
        else:
            read_plan(text, syntax="toml")

    def _type(self, step: Step, block: Block) -> str:
        command = self._with_ports(step.source)
        words = _plain_words(command)
        if f"{command} ".startswith(SERVERS):
            return self._back(self._serve(command))
        if words[:1] == ["export"]:
            self.exported |= dict(word.split("=", 1) for word in words[1:])
            return ""
        ended = self._run(command, words)
        expected = EXITS.search(step.source)
        allowed = {int(expected["code"])} if expected else {0}
        if expected and expected["maybe"]:
            allowed.add(0)
        assert ended.code in allowed, (
            f"{block.page.name}:{step.line}: {step.source}\nexit code {ended.code}\n{ended.text}"
        )
        return self._back(ended.text)

    def _run(self, command: str, words: list[str]) -> Ended:
        # the MCP server speaks over the descriptors of its process
        if words[:1] == ["gpuledger"] and words[1:2] != ["mcp"]:
            return self._inside(words)
        first, operator, rest = _cut(command)
        words = _plain_words(first)
        if not operator or words[:1] != ["gpuledger"]:
            return self._shell(command)
        if operator == "<":
            return self._inside(words, typed=(self.folder / rest.strip()).read_text())
        piped, remarks = io.StringIO(), io.StringIO()
        ended = self._inside(words, out=piped, err=remarks)
        if operator == ">":
            (self.folder / rest.partition("#")[0].strip()).write_text(piped.getvalue())
            return Ended(ended.code, remarks.getvalue())
        last = self._shell(rest, typed=piped.getvalue())
        return Ended(last.code or ended.code, remarks.getvalue() + last.text)

    def _inside(
        self,
        words: list[str],
        typed: str = "",
        out: io.StringIO | None = None,
        err: io.TextIOBase | None = None,
    ) -> Ended:
        """The command inside this process: quicker, and the same code from its entry point on."""
        terminal = Terminal()
        with (
            self._seated(),
            redirect_stdout(terminal if out is None else out),
            redirect_stderr(Remarks(terminal) if err is None else err),
        ):
            before = sys.argv, sys.stdin
            sys.argv, sys.stdin = words, io.TextIOWrapper(io.BytesIO(typed.encode()))
            try:
                main()
                code: object = 0
            except SystemExit as ended:
                code = ended.code
            finally:
                sys.argv, sys.stdin = before
        return Ended(code if isinstance(code, int) else 0, ESCAPE.sub("", terminal.getvalue()))

    def _shell(self, command: str, typed: str | None = None) -> Ended:
        """A line for the shell, in a terminal: what is neither piped nor redirected prints as for people."""
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (50, COLUMNS))
        shell = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL if typed is None else subprocess.PIPE,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        if shell.stdin is not None:
            with suppress(BrokenPipeError), shell.stdin as waiting:
                waiting.write((typed or "").encode())
        written = b"".join(_read_to_end(ours))
        os.close(ours)
        text = written.decode("utf-8", "replace").replace("\r\n", "\n")
        return Ended(shell.wait(timeout=60), ESCAPE.sub("", text))

    def _serve(self, command: str) -> str:
        port = next(self.ports[port] for port in PORTS if self.ports.get(port, "") in command)
        log = self.folder / f"server-{port}.log"
        with log.open("w") as out:
            server = subprocess.Popen(
                shlex.split(command, comments=True),
                cwd=self.folder,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                text=True,
            )
        self.servers.append(server)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and server.poll() is None:
            with socket.socket() as attempt:
                if attempt.connect_ex(("127.0.0.1", int(port))) == 0:
                    return log.read_text()
            time.sleep(0.05)
        raise AssertionError(f"{command} does not listen on {port}: {log.read_text()}")

    def _python(self, step: Step, block: Block) -> str:
        mode = "single" if block.is_session else "exec"
        code = compile(step.source, f"{block.page.name}:{step.line}", mode)
        written = io.StringIO()
        with self._seated(), redirect_stdout(written):
            exec(code, self.names)
        return written.getvalue()

    @contextmanager
    def _seated(self) -> Generator[None]:
        """This process in the reader's folder and with the reader's environment alone."""
        environ, folder = dict(os.environ), Path.cwd()
        os.environ.clear()
        os.environ.update(self.environ)
        os.chdir(self.folder)
        try:
            yield
        finally:
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(environ)

    def _with_ports(self, command: str) -> str:
        """The command with ports that are free here in place of those that the page names."""
        if f"{command} ".startswith("gpuledger serve ") and "--port" not in command:
            command = command.replace("gpuledger serve", "gpuledger serve --port 8765", 1)
        if command.startswith("gpuledger mcp --http") and "--port" not in command:
            command = command.replace("--http", "--http --port 8766", 1)
        for port in PORTS:
            if port in command:
                command = command.replace(port, self.ports.setdefault(port, _free_port()))
        return command

    def _back(self, text: str) -> str:
        for shown, used in self.ports.items():
            text = text.replace(used, shown)
        return text


def _plain_words(command: str) -> list[str]:
    """The words of a command that needs no shell; none where it does."""
    lexer = shlex.shlex(command.replace("\\\n", " "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words = list(lexer)
    if any(set(word) <= set("();<>|&") for word in words if word) or re.search(r"[$`]|^\w+=", command):
        return []
    return words


def _cut(command: str) -> tuple[str, str, str]:
    """A command at its first pipe or redirection: what is before, the sign, and the rest."""
    quote = ""
    for place, sign in enumerate(command):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in "|<>":
            return command[:place], sign, command[place + 1 :]
    return command, "", ""


def _read_to_end(terminal: int) -> Iterator[bytes]:
    """What is written to a terminal until nobody holds its other end."""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            # Linux says EIO where others say end of file
            return
        if not piece:
            return
        yield piece


def _free_port() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])

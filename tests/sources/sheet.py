"""Any capture as cells, rows and tables with their places in the text, so that a mutation is a splice.

JSON, CSV, HTML, XML and YAML are scanned only as far as the mutations need it; nothing is written back but
what a mutation changes, so that the rest of a document stays what the provider sent.
"""

import re
from dataclasses import dataclass, field

JSON_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[\[\]{}:,]|[^\s\[\]{}:,"]+)')
TAG = re.compile(r"<!--.*?-->|<(/?)([a-zA-Z][\w:-]*)((?:[^<>\"']|\"[^\"]*\"|'[^']*')*?)(/?)>", re.DOTALL)
ATTRIBUTE = re.compile(r"([\w:-]+)=\"([^\"]*)\"|([\w:-]+)='([^']*)'")
VOID = frozenset({"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"})
CSV_CELL = re.compile(r'("(?:[^"]|"")*"|[^,"\n\r]*)(,|\r?\n|$)')
YAML_LINE = re.compile(r"( *)(?:- )?((?:'[^']*'|\"[^\"]*\"|[^\s:#'\"][^:\n]*):)?(?: +| *$)?(.*)")


@dataclass(frozen=True)
class Cell:
    """One scalar: a JSON value, a CSV cell, the text of an element, the value of an attribute."""

    start: int
    end: int
    key: str
    """The column: same for the same thing in another row of the table."""
    key_start: int = -1
    """Where the key itself is written, if it is."""


@dataclass
class Row:
    start: int
    end: int
    cells: list[Cell] = field(default_factory=list)


@dataclass
class Table:
    rows: list[Row] = field(default_factory=list)
    header: Row | None = None


@dataclass
class Sheet:
    """A document taken apart. `form` is json, csv, markup or yaml."""

    form: str
    text: str
    cells: list[Cell] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)

    def at(self, span) -> str:
        return self.text[span.start : span.end]

    def spliced(self, *changes: tuple[int, int, str]) -> str:
        """The text with the spans replaced, which must not overlap."""
        text = self.text
        for start, end, new in sorted(changes, reverse=True):
            text = text[:start] + new + text[end:]
        return text


def sheet(name: str, body: bytes) -> Sheet:
    """The document of a file of that name."""
    text = body.decode("utf-8-sig")
    form = {"json": "json", "csv": "csv", "yml": "yaml"}.get(name.rpartition(".")[2], "markup")
    found = Sheet(form, text)
    {"json": _json, "csv": _csv, "yaml": _yaml, "markup": _markup}[form](found)
    found.tables = [table for table in found.tables if len(table.rows) > 1 and table.rows[0].cells]
    assert found.cells, f"no cell found in {name}"
    return found


def _json(found: Sheet) -> None:
    tokens = [(m.start(1), m.end(1)) for m in JSON_TOKEN.finditer(found.text)]
    place = 0

    def value(path: str, rows: list[tuple[Row, int]], key_start: int) -> None:
        nonlocal place
        start, end = tokens[place]
        opened = found.text[start]
        if opened not in "[{":
            place += 1
            found.cells.append(Cell(start, end, path, key_start))
            for row, depth in rows:
                row.cells.append(Cell(start, end, path[depth:], key_start))
            return
        place += 1
        table = Table()
        while found.text[tokens[place][0]] not in "]}":
            entry_start, key = tokens[place][0], "[]"
            if opened == "{":
                key = found.text[slice(*tokens[place])]
                place += 2
            row = Row(entry_start, 0)
            under = f"{path}/{key}"
            is_row = found.text[tokens[place][0]] == "{"
            inner = [*rows, (row, len(under))] if is_row else rows
            value(under, inner, entry_start if opened == "{" else -1)
            row.end = tokens[place - 1][1]
            if found.text[tokens[place][0]] == ",":
                place += 1
                row.end = tokens[place][0]
            if is_row:
                table.rows.append(row)
        place += 1
        found.tables.append(table)

    value("", [], -1)


def _csv(found: Sheet) -> None:
    rows: list[Row] = []
    row = Row(0, 0)
    place = 0
    while place < len(found.text):
        match = CSV_CELL.match(found.text, place)
        assert match, f"not CSV at {place}"
        row.cells.append(Cell(match.start(1), match.end(1), ""))
        place = match.end()
        if match.group(2) != ",":
            row.end = place
            rows.append(row)
            row = Row(place, place)
    most = max(len(row.cells) for row in rows)
    at = next(number for number, row in enumerate(rows) if len(row.cells) == most)
    header = rows[at]
    names = [found.at(cell) for cell in header.cells]
    table = Table(header=header)
    for row in rows[at + 1 :]:
        row.cells = [Cell(c.start, c.end, name) for c, name in zip(row.cells, names, strict=False)]
        table.rows.append(row)
    found.cells = [cell for row in rows for cell in row.cells if cell.end > cell.start]
    found.tables = [table]


@dataclass
class _Element:
    name: str
    start: int
    end: int = 0
    cells: list[Cell] = field(default_factory=list)
    children: list["_Element"] = field(default_factory=list)


def _markup(found: Sheet) -> None:
    root = _Element("", 0)
    stack = [root]
    last = 0

    def text_until(end: int) -> None:
        piece = found.text[last:end]
        if piece.strip():
            lead = len(piece) - len(piece.lstrip())
            leaf(last + lead, last + len(piece.rstrip()))

    def leaf(start: int, end: int) -> None:
        found.cells.append(Cell(start, end, ""))
        for element in stack:
            element.cells.append(Cell(start, end, str(len(element.cells))))

    for match in TAG.finditer(found.text):
        text_until(match.start())
        last = match.end()
        closing, name, attributes, alone = (match.group(n) or "" for n in range(1, 5))
        if closing:
            while len(stack) > 1:
                element = stack.pop()
                element.end = match.end()
                if element.name.startswith(name + " ") or element.name == name:
                    break
        elif name:
            # Elements of one name and class are rows of one table.
            classes = re.search(r"class=.([^\"'>]*)", attributes)
            described = f"{name} {classes.group(1) if classes else ''}"
            element = _Element(described, match.start(), match.end())
            stack[-1].children.append(element)
            stack.append(element)
            for attribute in ATTRIBUTE.finditer(attributes):
                group = 2 if attribute.group(1) else 4
                if re.search(r"\d", attribute.group(group)) or (attribute.group(1) or "").startswith("data-"):
                    offset = match.start(3)
                    leaf(offset + attribute.start(group), offset + attribute.end(group))
            if name in VOID or alone:
                stack.pop().end = match.end()
    text_until(len(found.text))
    todo = [root]
    while todo:
        element = todo.pop()
        todo += element.children
        by_name: dict[str, Table] = {}
        for child in element.children:
            if child.cells:
                row = Row(child.start, child.end, child.cells)
                by_name.setdefault(child.name, Table()).rows.append(row)
        found.tables += by_name.values()


def _yaml(found: Sheet) -> None:
    open_rows: list[tuple[int, str, Row, Table]] = []
    root = Table()
    place = 0
    for line in found.text.splitlines(keepends=True):
        match = YAML_LINE.match(line.rstrip("\n"))
        end = place + len(line)
        if match and match.group(2):
            indent = len(match.group(1))
            while open_rows and open_rows[-1][0] >= indent:
                open_rows.pop()
            path = "/".join([*(key for _, key, _, _ in open_rows), match.group(2)])
            for _, _, row, _ in open_rows:
                row.end = end
            if match.group(3):
                span = (place + match.start(3), place + match.start(3) + len(match.group(3).rstrip()))
                found.cells.append(Cell(*span, path, place + match.start(2)))
                depth = 0
                for _, key, row, _ in open_rows:
                    depth += len(key) + 1
                    row.cells.append(Cell(*span, path[depth:], place + match.start(2)))
            else:
                parent = open_rows[-1][3] if open_rows else root
                row, table = Row(place, end), Table()
                parent.rows.append(row)
                found.tables.append(table)
                open_rows.append((indent, match.group(2), row, table))
        place = end
    found.tables.append(root)

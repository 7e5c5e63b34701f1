"""What can happen to an answer on its way or at its publisher: each kind makes another text of a document.

A mutation takes the document apart (`sheet.py`) and a `pick(n)` that gives a number below n; hypothesis
picks, so that what fails is shrunk and can be repeated.
"""

import re
from collections.abc import Callable

from tests.sources.sheet import Cell, Row, Sheet, Table

Pick = Callable[[int], int]

NUMBER = re.compile(r"\d+(?:\.\d+)?")
FRACTION = re.compile(r"(\d+)\.(\d+)")


def one(items, pick: Pick):
    """One of a list, or nothing of none."""
    return items[pick(len(items))] if items else None


def with_number(found: Sheet, pattern: re.Pattern[str] = NUMBER) -> list[Cell]:
    return [cell for cell in found.cells if pattern.search(found.at(cell))]


def quoted(found: Sheet, text: str) -> str:
    """A text as the value of a cell in this form."""
    if found.form == "json":
        return '"' + text.strip('"').replace("\\", "\\\\").replace('"', '\\"') + '"'
    if found.form == "csv" and not text.startswith('"'):
        return '"' + text.replace('"', '""') + '"'
    return f"'{text}'" if found.form == "yaml" else text


def truncated(found: Sheet, pick: Pick) -> str:
    return found.text[: pick(len(found.text))]


def cells_swapped(found: Sheet, pick: Pick) -> str | None:
    """Two cells of one row."""
    table = one(found.tables, pick)
    row = table and one(table.rows, pick)
    if not row or len(row.cells) < 2:
        return None
    a, b = pick(len(row.cells)), pick(len(row.cells) - 1)
    b += b >= a
    return swapped(found, row.cells[a], row.cells[b])


def swapped(found: Sheet, *pairs: Cell) -> str | None:
    a, b = sorted(pairs, key=lambda cell: cell.start)
    if a.end > b.start or found.at(a) == found.at(b):
        return None
    return found.spliced((a.start, a.end, found.at(b)), (b.start, b.end, found.at(a)))


def columns_swapped(found: Sheet, pick: Pick) -> str | None:
    """Two columns of a table, in every row that has both; sometimes with the header."""
    table = one(found.tables, pick)
    if not table:
        return None
    keys = sorted({cell.key for row in table.rows for cell in row.cells})
    a, b = one(keys, pick), one(keys, pick)
    changes: list[tuple[int, int, str]] = []
    for row in table.rows:
        cells = {cell.key: cell for cell in row.cells}
        if a in cells and b in cells and a != b:
            changes += both(found, cells[a], cells[b])
    if table.header and pick(2):
        names = {found.at(cell): cell for cell in table.header.cells}
        changes += both(found, names[a], names[b])
    return found.spliced(*changes) if changes else None


def both(found: Sheet, a: Cell, b: Cell) -> list[tuple[int, int, str]]:
    return [(a.start, a.end, found.at(b)), (b.start, b.end, found.at(a))] if a != b else []


def header_swapped(found: Sheet, pick: Pick) -> str | None:
    """Two titles of a table, its rows unchanged."""
    table = one([table for table in found.tables if table.header or found.form == "markup"], pick)
    header = table and (table.header or table.rows[0])
    a, b = (one(header.cells, pick), one(header.cells, pick)) if header else (None, None)
    return swapped(found, a, b) if a and b and a != b else None


def another_number(found: Sheet, pick: Pick) -> str | None:
    """A number of the document in the place of another one: a price list that may well exist."""
    cells = with_number(found)
    a, b = one(cells, pick), one(cells, pick)
    if not a or not b or found.at(a) == found.at(b):
        return None
    number = NUMBER.search(found.at(b))
    assert number
    return found.spliced((a.start, a.end, NUMBER.sub(number.group(), found.at(a), count=1)))


def decimal_comma(found: Sheet, pick: Pick) -> str | None:
    """`1.59` as `1,59` or `1.590,00`, once, in one column or everywhere."""
    cells = with_number(found, FRACTION)
    cell = one(cells, pick)
    if not cell:
        return None
    which = pick(3)
    chosen = [cell] if which == 0 else [c for c in cells if which == 2 or c.key == cell.key]
    spelled = (r"\1,\2", r"\1.\g<2>0,00")[pick(2)]
    return found.spliced(*((c.start, c.end, comma(found, c, spelled)) for c in chosen))


def comma(found: Sheet, cell: Cell, spelled: str) -> str:
    text = FRACTION.sub(spelled, found.at(cell))
    return text if text.startswith('"') or found.form not in ("json", "csv") else quoted(found, text)


def currency_sign(found: Sheet, pick: Pick) -> str | None:
    """Another or no currency before a number, once or in a column."""
    cell = one(with_number(found), pick)
    if not cell:
        return None
    sign = ("€", "£", "¥", "US$ ", "C$", "EUR ", "")[pick(7)]
    alike = [other for other in with_number(found) if other.key == cell.key] if pick(2) else [cell]
    changes: list[tuple[int, int, str]] = []
    for place in alike:
        text = NUMBER.sub(rf"{sign}\g<0>", found.at(place).replace("$", ""), count=1)
        changes.append((place.start, place.end, quoted(found, text)))
    return found.spliced(*changes)


def entity(found: Sheet, pick: Pick) -> str | None:
    """A character as an HTML entity, an entity before or after it, or an escape too many."""
    cell = one(found.cells, pick)
    if not cell or not found.at(cell).strip('"'):
        return None
    text = found.at(cell).strip('"')
    at = pick(len(text))
    code = (f"&#{ord(text[at])};", f"&#x{ord(text[at]):x};", f"&nbsp;{text[at]}", f"{text[at]}&amp;nbsp;")
    text = text[:at] + code[pick(4)] + text[at + 1 :]
    return found.spliced((cell.start, cell.end, quoted(found, text)))


def table_empty(found: Sheet, pick: Pick) -> str | None:
    table = one(found.tables, pick)
    if not table:
        return None
    return found.spliced(*((row.start, row.end, "") for row in apart(table)))


def apart(table: Table):
    end = -1
    for row in sorted(table.rows, key=lambda row: row.start):
        if row.start >= end:
            end = row.end
            yield row


def row_lost(found: Sheet, pick: Pick) -> str | None:
    table = one(found.tables, pick)
    row = table and one(table.rows, pick)
    return found.spliced((row.start, row.end, "")) if row else None


def row_doubled(found: Sheet, pick: Pick) -> str | None:
    table = one(found.tables, pick)
    row = table and one(table.rows, pick)
    return found.spliced((row.end, row.end, between(found, row) + found.at(row))) if row else None


def row_contradicted(found: Sheet, pick: Pick) -> str | None:
    """A row twice, the second time with another number."""
    table = one(found.tables, pick)
    row = table and one(table.rows, pick)
    number = row and one(list(NUMBER.finditer(found.at(row))), pick)
    if not row or not number:
        return None
    text = found.at(row)
    other = text[: number.start()] + f"{pick(99) + 1}" + text[number.end() :]
    return found.spliced((row.end, row.end, between(found, row) + other))


def between(found: Sheet, row: Row) -> str:
    return "," if found.form == "json" and not found.at(row).endswith(",") else ""


def key_doubled(found: Sheet, pick: Pick) -> str | None:
    """A key, a title or a whole element with a second value."""
    cell = one([cell for cell in found.cells if cell.key_start >= 0], pick)
    if cell:
        key = found.text[cell.key_start : cell.start]
        other = found.at(found.cells[pick(len(found.cells))])
        between = (
            ","
            if found.form == "json"
            else "\n" + " " * (cell.key_start - found.text.rfind("\n", 0, cell.key_start) - 1)
        )
        pair, twice = found.text[cell.key_start : cell.end], f"{key}{other}"
        new = f"{pair}{between}{twice}" if pick(2) else f"{twice}{between}{pair}"
        return found.spliced((cell.key_start, cell.end, new))
    header = found.tables[0].header if found.tables else None
    if not header:
        return None
    a, b = one(header.cells, pick), one(header.cells, pick)
    return found.spliced((a.start, a.end, found.at(b))) if a and b and a != b else None


def leaf_null(found: Sheet, pick: Pick) -> str | None:
    cell = one(found.cells, pick)
    return found.spliced((cell.start, cell.end, "null" if found.form == "json" else "")) if cell else None


def column_null(found: Sheet, pick: Pick) -> str | None:
    table = one(found.tables, pick)
    keys = sorted({cell.key for row in table.rows for cell in row.cells}) if table else []
    key = one(keys, pick)
    if not table or key is None:
        return None
    cells = [cell for row in table.rows for cell in row.cells if cell.key == key]
    null = "null" if found.form == "json" else ""
    return found.spliced(*((cell.start, cell.end, null) for cell in cells))


def number_respelled(found: Sheet, pick: Pick) -> str | None:
    """A number as text, text as a number, or the same number written otherwise."""
    cell = one(with_number(found), pick)
    if not cell:
        return None
    text = found.at(cell)
    bare = text.strip('"')
    if found.form == "json" and pick(2):
        new = quoted(found, bare) if text == bare else bare
        return found.spliced((cell.start, cell.end, new))
    spelled = (r" \g<0> ", r"+\g<0>", r"0\g<0>", r"\g<0>e0", r"-\g<0>", r"\g<0>%", "NaN", "1e400")
    new = NUMBER.sub(spelled[pick(len(spelled))], bare, count=1)
    return found.spliced((cell.start, cell.end, quoted(found, new) if text != bare or pick(2) else new))


def nested(found: Sheet, pick: Pick) -> str | None:
    """A leaf inside so many arrays, objects or elements."""
    cell = one(found.cells, pick)
    if not cell:
        return None
    depth = (1, 2, 40, 3000, 100_000)[pick(5)]
    pairs = {"json": [("[", "]"), ('{"a":', "}")], "yaml": [("[", "]"), ("{a: ", "}")], "csv": [('"', '"')]}
    opening, closing = one(pairs.get(found.form, [("<b>", "</b>"), ("<div>", "</div>")]), pick) or ("", "")
    return found.spliced((cell.start, cell.end, opening * depth + found.at(cell) + closing * depth))


def junk(found: Sheet, pick: Pick) -> bytes:
    """Random bytes in the middle; sometimes in the place of as many others."""
    body = found.text.encode()
    at, length = pick(len(body)), pick(64) + 1
    noise = bytes(pick(256) for _ in range(min(length, 8))) * (1 + pick(40))
    return body[:at] + noise + body[at + (length if pick(2) else 0) :]


MUTATIONS: dict[str, Callable[[Sheet, Pick], str | bytes | None]] = {
    kind.__name__.replace("_", " "): kind
    for kind in (
        truncated,
        cells_swapped,
        columns_swapped,
        header_swapped,
        another_number,
        decimal_comma,
        currency_sign,
        entity,
        table_empty,
        row_lost,
        row_doubled,
        row_contradicted,
        key_doubled,
        leaf_null,
        column_null,
        number_respelled,
        nested,
        junk,
    )
}

STATES_ANOTHER_PRICE = frozenset(
    {"cells swapped", "columns swapped", "header swapped", "another number", "row contradicted", "junk"}
)
"""Kinds whose result may be a price list that could exist: no parser can tell, the contract bounds them."""

"""A quote to paste into a grant or a pull request: Markdown, or one HTML page that prints on two sheets."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any

from gpuledger.core.count import counted, hours_text
from gpuledger.core.purchase_option import option_text

QuoteRow = Mapping[str, Any]
STYLE = """
@page { size: A4; margin: 14mm 16mm }
body { font: 10.5pt/1.35 system-ui, sans-serif; color: #111; max-width: 178mm; margin: 1.5rem auto; padding: 0 1rem }
h1 { font-size: 16pt; margin: 0 0 .2em } h2 { font-size: 11.5pt; margin: .9em 0 .25em }
table { border-collapse: collapse; width: 100%; font-size: 8.8pt } td, th { padding: 2px 6px 2px 0; text-align: left;
vertical-align: top; border-bottom: 1px solid #ddd } .n { text-align: right; white-space: nowrap; padding-right: 12px }
.answer { font-size: 14pt } .small { font-size: 8.8pt; color: #333 } li { margin: 0 } ul { margin: .2em 0 .4em 1.1em;
padding: 0 } svg { max-width: 100%; height: auto } tr, svg, h2 { break-inside: avoid } h2 { break-after: avoid }
td { overflow-wrap: anywhere } tbody td:first-child:not(.n) { white-space: nowrap } p { margin: .4em 0 }
ul.long { columns: 2; column-gap: 8mm } .halves { display: flex; gap: 8mm }
.halves > table { flex: 1; align-self: start }
@media print { body { margin: 0; max-width: none; padding: 0; font-size: 9.5pt } table, .small { font-size: 8pt }
.answer { font-size: 12.5pt } h1 { font-size: 14pt } h2 { font-size: 10.5pt; margin-top: .7em } }
"""
SHOWN_QUOTES = 5
NOT_GIVEN = "not given: costs."
LONG = 6
"""Entries from which a list or the question stands in two columns on the page."""


def sections(answer: QuoteRow, question: QuoteRow) -> list[tuple[str, list[str], list[list[str]] | None]]:
    """Title, sentences, and a table with its head, of each part of a report.

    Args:
        answer: as `QuoteSet.to_dict` gives it.
        question: the plan's keys that were given, flattened.
    """
    best = answer["quotes"][0]
    usd, hours = best["usd_total"], best["wall_hours"]
    lines: list[dict[str, str]] = [
        line for line in best["lines"] if line["usd"] is not None and float(line["usd_high"] or 0) != 0
    ]
    bases = [line["basis"] for line in best["lines"] if line["usd"] is None]
    missing = [one.removeprefix(NOT_GIVEN) for one in bases if one.startswith(NOT_GIVEN)]
    unknown = [one[:1].upper() + one[1:] for one in bases if not one.startswith(NOT_GIVEN)]
    machine = f"{best['paid_gpus']} x {best['gpu_id']}, {option_text(best['purchase_option'])}, at {best['provider']}"
    receipt = best["receipt"]
    out: list[tuple[str, list[str], list[list[str]] | None]] = [
        ("Question", [f"What does {answer['plan']} cost, as of {answer['as_of'][:10]}?"], _pairs(question)),
        (
            "Answer",
            [f"{usd['mid']} USD, {usd['low']} to {usd['high']}; {hours_text(hours['mid'])} of wall time,"
             f" {hours_text(hours['low'])} to {hours_text(hours['high'])}.",
             *_verdicts(answer)],
            None,
        ),
        (
            "Hardware",
            [f"{machine}, {best['instance_type']} in {best['region']}; {best['usd_per_gpu_hour']} USD per GPU-hour."],
            None,
        ),
        (
            "Cost lines",
            [],
            [["line", "USD", "low", "high", "how"]]
            + [[row["name"], row["usd"], row["usd_low"], row["usd_high"], row["basis"]] for row in lines]
            + [["total", usd["mid"], usd["low"], usd["high"], ""]],
        ),
        ("Assumptions", list(answer["assumptions"]), None),
        ("Warnings", list(answer["warnings"]), None),
        ("Evidence", [_published(row) for row in answer["evidence"]], None),
        (
            "Not counted",
            [f"Not given: {', '.join(dict.fromkeys(missing))}." if missing else "", *dict.fromkeys(unknown),
             f"Not included: {', '.join(answer['not_included'])}." if answer["not_included"] else "",
             *(f"{counted(row['count'], 'offer')}: {row['reason']}" for row in answer["excluded"][:6])],
            None,
        ),
        (
            "Prices",
            [f"Receipt {best['quote_id']}: price {receipt['price_id']}, seen {receipt['observed_at'][:10]} at"
             f" {receipt['source_url'] or receipt['source']}; `gpuledger explain {best['quote_id']}` has the chain."],
            [["USD", "provider", "hardware", "USD per GPU-hour", "state", "seen", "receipt"]]
            + [
                [q["usd_total"]["mid"], q["provider"],
                 f"{q['paid_gpus']} x {q['gpu_id']}, {option_text(q['purchase_option'])}",
                 q["usd_per_gpu_hour"], q["price_state"], q["receipt"]["observed_at"][:10], q["quote_id"]]
                for q in answer["quotes"][:SHOWN_QUOTES]
            ],
        ),
    ]  # fmt: skip
    return [
        (title, [text for text in texts if text], rows) for title, texts, rows in out if any(texts) or rows
    ]


def markdown(answer: QuoteRow, question: QuoteRow) -> str:
    """The report as Markdown."""
    parts = [f"# Cost of {_md(answer['plan'])}\n"]
    for title, texts, rows in sections(answer, question):
        is_list = len(texts) > 1
        parts.append(f"## {title}\n")
        parts.append(
            "\n".join(f"- {_md(text)}" if is_list else _md(text) for text in texts) + "\n" if texts else ""
        )
        if rows:
            head, *body = rows
            parts.append(
                _md_row(head) + "\n" + "|" + "---|" * len(head) + "\n" + "\n".join(map(_md_row, body)) + "\n"
            )
    return "\n".join(part for part in parts if part)


def html_page(answer: QuoteRow, question: QuoteRow) -> str:
    """The report as one HTML page without anything from elsewhere; its chart shows the quotes with their ranges."""
    title = f"Cost of {answer['plan']}"
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{_text(title)}</title><style>{STYLE}</style><h1>{_text(title)}</h1>",
    ]
    for name, texts, rows in sections(answer, question):
        parts.append(f"<h2>{name}</h2>")
        if name == "Answer":
            parts.append(f'<p class="answer">{_text(texts[0])}</p>')
            parts += [f"<p>{_text(text)}</p>" for text in texts[1:]]
            parts.append(chart(answer["quotes"][:SHOWN_QUOTES]))
        elif len(texts) > 1:
            kind = "small long" if len(texts) > LONG else "small"
            parts.append(
                f'<ul class="{kind}">' + "".join(f"<li>{_text(text)}</li>" for text in texts) + "</ul>"
            )
        else:
            parts += [f"<p>{_text(text)}</p>" for text in texts]
        if rows and name == "Question" and len(rows) > LONG:
            half = (len(rows) + 1) // 2
            parts.append(f'<div class="halves">{_table(rows[:half])}{_table([rows[0], *rows[half:]])}</div>')
        elif rows:
            parts.append(_table(rows))
    return "\n".join(parts) + "\n</html>\n"


def chart(quotes: Sequence[QuoteRow]) -> str:
    """Totals with their ranges as an SVG: a bar from low to high, a mark at the middle."""
    most = max(float(quote["usd_total"]["high"]) for quote in quotes) or 1.0
    width, row, left = 640, 22, 230
    height = row * len(quotes) + 22
    marks: list[str] = []
    for place, quote in enumerate(quotes):
        low, mid, high = (
            left + (width - left - 70) * max(float(quote["usd_total"][case]), 0) / most
            for case in ("low", "mid", "high")
        )
        y = place * row + 6
        name = f"{quote['paid_gpus']} x {quote['gpu_id']} at {quote['provider']}"
        marks.append(
            f'<text x="0" y="{y + 11}">{_text(name)}</text>'
            f'<rect x="{low:.1f}" y="{y}" width="{max(high - low, 1):.1f}" height="14" fill="#9ec5e8"/>'
            f'<rect x="{mid - 1:.1f}" y="{y - 1}" width="2" height="16" fill="#08306b"/>'
            f'<text x="{high + 5:.1f}" y="{y + 11}">{quote["usd_total"]["mid"]}</text>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' role="img" aria-label="US dollars of the cheapest quotes, low to high" font-size="10.5"'
        f' font-family="sans-serif">{"".join(marks)}'
        f'<text x="{left}" y="{height - 4}" fill="#444">US dollars: bar from low to high, mark at the middle'
        "</text></svg>"
    )


def _plain(value: object) -> str:
    """Whole numbers without a fraction that says nothing."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return str(value)


def _pairs(question: QuoteRow) -> list[list[str]]:
    return [["key", "value"], *([key, _plain(value)] for key, value in question.items())]


def _verdicts(answer: QuoteRow) -> list[str]:
    out: list[str] = []
    for name, unit in (("budget", "usd"), ("deadline", "hours")):
        verdict = answer[name]
        if verdict is not None:
            word = "within" if verdict["passes"] else "over"
            limit = verdict[f"limit_{unit}"]
            shown = f"{limit} USD" if unit == "usd" else hours_text(float(limit))
            high = verdict[f"high_{unit}"]
            end = f"{high} USD" if unit == "usd" else hours_text(float(high))
            is_open = verdict["passes"] and not verdict["is_certain"]
            doubt = f"; at the upper end of its range, {end}, it is over" if is_open else ""
            out.append(f"It is {word} the {name} of {shown}{doubt}.")
    return out


def _published(row: QuoteRow) -> str:
    unit = row["measure"].replace("_", " ")
    return (
        f"{row['run']} on {row['gpus']} x {row['gpu_id']} reached {row['reached']:,.4g} {unit}; computed"
        f" {row['computed']:,.4g}"
    )


_CODE = re.compile(r"`(gpuledger [^`]*)`")


def _md(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _md_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_md(str(cell)) for cell in cells) + " |"


def _text(text: str) -> str:
    """Escaped, with what stands between backticks as code."""
    return _CODE.sub(r"<code>\1</code>", html.escape(str(text), quote=True))


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    numbers = {place for place, name in enumerate(head) if name.startswith("USD") or name in ("low", "high")}

    def cells(row: Sequence[str], tag: str) -> str:
        return "".join(
            f'<{tag} class="n">{_text(cell)}</{tag}>' if place in numbers else f"<{tag}>{_text(cell)}</{tag}>"
            for place, cell in enumerate(row)
        )

    return (
        f"<table><thead><tr>{cells(head, 'th')}</tr></thead><tbody>"
        + "".join(f"<tr>{cells(row, 'td')}</tr>" for row in body)
        + "</tbody></table>"
    )

"""An HTML file of sections: text, plots and tables. Vega, Vega-Lite and Vega-Embed are inside (from the package
vl-convert-python, the extra `page`): 0.9 MB, and nothing is fetched.

The same sections give the same bytes. Every plot and table has its data beside it, to download as CSV. Colours follow
the reader's choice of light or dark; on paper they are light. Tables sort by their heads; a plot with a time axis zooms
with the wheel, by dragging, and with the keys + - ← → 0.
"""

from __future__ import annotations

import base64
import csv
import html
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from torch2hw.tools.cache import digest, entry
from torch2hw.tools.errors import MissingTool

HERE = Path(__file__).parent
BUNDLE = "vega.js"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Plot:
    """A Vega-Lite specification without data; `rows` are its data, `zoom` the name of an axis of time."""

    name: str
    title: str
    spec: Mapping[str, Any]
    rows: Sequence[Row]
    note: str = ""
    zoom: tuple[float, float] | None = None


@dataclass(frozen=True)
class Table:
    """`columns`: key and head. A cell is text or a number; None is empty."""

    name: str
    title: str
    columns: Sequence[tuple[str, str]]
    rows: Sequence[Row]
    note: str = ""
    links: Mapping[str, str] = field(default_factory=dict)
    """Columns whose cells lead to the element of the page with the id `prefix` + text."""


@dataclass(frozen=True)
class Text:
    """HTML as it is."""

    name: str
    title: str
    body: str


Section = Plot | Table | Text


def document(title: str, about: Sequence[str], sections: Sequence[Section]) -> str:
    """The page; `about` are lines of text under its title."""
    plots = {each.name: _spec(each) for each in sections if isinstance(each, Plot)}
    links = "".join(f'<a href="#{each.name}">{html.escape(each.title)}</a> ' for each in sections)
    parts = {
        "title": html.escape(title),
        "heading": html.escape(title),
        "style": (HERE / "page.css").read_text(),
        "about": "\n".join(f"<p>{html.escape(line)}</p>" for line in about),
        "links": f"<nav aria-label='Sections'>{links}</nav>",
        "sections": "\n".join(map(_html, sections)),
        "plots": _script_json(plots),
        "vega": bundle(),
        "script": (HERE / "page.js").read_text(),
    }
    text = (HERE / "page.html").read_text()
    for name, part in parts.items():
        before, _, after = text.partition(f"<!--{name}-->")
        text = before + part + after
    return text


def check() -> None:
    """Refuse where the plots cannot be made."""
    try:
        version("vl-convert-python")
    except PackageNotFoundError:
        raise MissingTool(
            "the plots of a page need vl-convert-python, which is not installed", fix='pip install "torch2hw[page]"'
        ) from None


def bundle() -> str:
    """The scripts of Vega, which leave `vegaEmbed` in the window; kept in the cache: bundling takes seconds."""
    check()
    place = entry("vega", digest([version("vl-convert-python")]), _make_bundle)
    return (place / BUNDLE).read_text()


def _make_bundle(place: Path) -> None:
    import vl_convert

    text: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    assert "</script" not in text.lower()
    (place / BUNDLE).write_text(text)


def _spec(plot: Plot) -> dict[str, Any]:
    told: dict[str, Any] = {"spec": {**plot.spec, "data": {"values": list(plot.rows)}}}
    return told | ({"zoom": list(plot.zoom)} if plot.zoom is not None else {})


def _script_json(value: Any) -> str:
    """JSON inside a script element: no text in it ends the element."""
    return json.dumps(value).replace("<", "\\u003c")


def _html(section: Section) -> str:
    head = f'<section id="{section.name}"><h2>{html.escape(section.title)}</h2>'
    if isinstance(section, Text):
        return f"{head}{section.body}</section>"
    note = f"<p>{html.escape(section.note)}</p>" if section.note else ""
    if isinstance(section, Table):
        return f"{head}{note}{_table(section)}{_download(section.name, section.rows)}</section>"
    label = html.escape(f"{section.title}. The data is in the file below.", quote=True)
    focus = ' tabindex="0"' if section.zoom is not None else ""
    keys = "<p class='keys'>Wheel or + − zooms, dragging or ← → moves, 0 shows all.</p>" if section.zoom else ""
    plot = f'<div class="plot" id="plot-{section.name}" role="img" aria-label="{label}"{focus}></div>'
    return f"{head}{note}{plot}{keys}{_download(section.name, section.rows)}</section>"


def _table(table: Table) -> str:
    heads = "".join(
        f'<th scope="col"><button type="button">{html.escape(head)}</button></th>' for _, head in table.columns
    )
    rows = []
    for row in table.rows:
        cells = []
        for key, _ in table.columns:
            value = row.get(key)
            shown = html.escape(shown_value(value))
            if key in table.links and value:
                shown = f'<a href="#{table.links[key]}{html.escape(str(value), quote=True)}">{shown}</a>'
            number = isinstance(value, int | float) and not isinstance(value, bool)
            kind = f' class="number" data-value="{value!r}"' if number else ""
            cells.append(f"<td{kind}>{shown}</td>")
        anchor = f' id="{table.name}-{html.escape(str(row["anchor"]), quote=True)}"' if "anchor" in row else ""
        rows.append(f"<tr{anchor}>{''.join(cells)}</tr>")
    body = "\n".join(rows)
    return (
        f'<div class="wide"><table class="sortable"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def shown_value(value: Any) -> str:
    """A cell's text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _download(name: str, rows: Sequence[Row]) -> str:
    data = base64.b64encode(rows_csv(rows).encode()).decode()
    return f'<p class="data"><a download="{name}.csv" href="data:text/csv;base64,{data}">{name}.csv</a></p>'


def rows_csv(rows: Sequence[Row]) -> str:
    """The data behind a plot or a table."""
    columns = [key for key in dict.fromkeys(key for row in rows for key in row) if key != "anchor"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()

"""The files of a sweep, as text."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from torch2hw.compiler.version import __version__
from torch2hw.explore.measure import COLUMNS, json_text
from torch2hw.tools import yosys
from torch2hw.tools.errors import MissingTool

VERSION = 1
COSTS = ("compile_s", "simulate_s", "synthesise_s", "route_s", "total_s", "peak_mib")


def sweep_json(points: Sequence[Mapping[str, Any]], left_out: Sequence[tuple[str, str]], **facts: Any) -> str:
    """The object that `sweep.schema.json` describes."""
    told = [{"options": options, "why": why} for options, why in left_out]
    head = {"sweep": VERSION, "generator": f"torch2hw {__version__}", "resource_tool": yosys.tool()}
    return json_text(points, **head, left_out=told, **facts)


def costs_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """times.csv: the axes of each point, then seconds and MiB."""
    found = {key for row in rows for key in row}
    columns = [column for column in (*COLUMNS, *COSTS) if column in found]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def check_parquet() -> None:
    """Refuse `--parquet` where nothing writes it."""
    if find_spec("pyarrow") is None:
        raise MissingTool(
            "--parquet needs pyarrow, which is not installed", fix='pip install "torch2hw[parquet]", or leave it out'
        )


def parquet(points: Sequence[Mapping[str, Any]]) -> bytes:
    """The points as a Parquet table, null for what was not measured; a column has one type."""
    import pyarrow
    import pyarrow.parquet

    columns = [column for column in COLUMNS if any(column in point for point in points)]
    rows = [{column: _one_type(column, point.get(column)) for column in columns} for point in points]
    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), out)
    return out.getvalue()


def _one_type(column: str, value: Any) -> Any:
    """Block RAMs and clocks are halves or fractions in some points, whole numbers in others."""
    return float(value) if column in ("bram36", "clock_ns") and value is not None else value

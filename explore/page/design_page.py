"""The page of one design: model line ↔ kernel ↔ timeline ↔ memory banks ↔ generated lines."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

from torch2hw.compiler.compiled import Compiled
from torch2hw.dialects.program import Program
from torch2hw.explore.kernel_times import DesignTimes, KernelTime, bars, design_times
from torch2hw.explore.page import plots
from torch2hw.explore.page.document import Plot, Section, Table, Text, document, shown_value
from torch2hw.explore.what_if import WhatIf, sentence
from torch2hw.report import Report
from torch2hw.tools import yosys

MAX_SHOWN_BYTES = 300_000
"""Of generated SystemVerilog; of a longer design the page tells the lines only."""
BUSY = "multiply-accumulates, or iterations"


def design_page(compiled: Compiled, report: Report, tried: Sequence[WhatIf]) -> str:
    """Of a design of the static schedule that was compiled to the end."""
    times = design_times(compiled)
    spans = module_lines(compiled.verilog(), [kernel.name for kernel in times.kernels])
    rows = _kernel_rows(times, report, spans)
    sections: list[Section] = [
        _summary(report, times),
        Text("limits", "What limits each kernel", _sentences(times, tried, spans)),
        plots.timeline(bars(times.kernels), times.latency_cycles),
        *_bars(times, rows),
        Table("kernel", "Kernels", _columns(rows), rows, links={"kernel": "kernel-", "source": "line-"}),
        Table("memory", "Memory banks", MEMORY_COLUMNS, _memories(compiled.at("scheduled"))),
        Text("source", "Cycles on source lines", _source(compiled, times)),
        Text("generated", "Generated SystemVerilog", _generated(compiled, spans)),
    ]
    about = ["Every cycle from go to done belongs to one kernel: of those that run in it, the one that started first."]
    if report.synthesis is not None:
        about.append(f"Resources: {yosys.tool()}; those of kernels without shared units and memories.")
    return document(f"{report.top}: {report.cycles:,} cycles", about, sections)


def module_lines(verilog: str, names: Sequence[str]) -> dict[str, tuple[int, int]]:
    """The first and the last line of each module in the SystemVerilog, from 1."""
    spans: dict[str, tuple[int, int]] = {}
    name, first = None, 0
    for number, line in enumerate(verilog.split("\n"), 1):
        begun = re.match(r"module (\w+)", line)
        if begun and begun[1] in names:
            name, first = begun[1], number
        elif name is not None and line.startswith("endmodule"):
            spans[name] = first, number
            name = None
    return spans


def _summary(report: Report, times: DesignTimes) -> Text:
    rows: list[tuple[str, Any]] = [("cycles", report.cycles), ("multiply-accumulates", report.macs)]
    rows += [("lanes", report.mac_lanes), ("use of the lanes", report.mac_utilization)]
    rows += [("cycles in which no kernel runs", times.idle_cycles)]
    if report.synthesis is not None:
        rows += [(name.upper(), value) for name, value in report.synthesis.total.to_json().items()]
    if report.timing is not None:
        rows += [("MHz on ECP5", round(report.timing.mhz, 1)), ("its critical path", str(report.timing.critical))]
    cells = [f"<tr><th scope='row'>{html.escape(name)}</th><td>{html.escape(shown_value(value))}</td></tr>"
             for name, value in rows if value is not None]  # fmt: skip
    return Text("summary", "Summary", f"<table>{''.join(cells)}</table>")


def _sentences(times: DesignTimes, tried: Sequence[WhatIf], spans: Mapping[str, tuple[int, int]]) -> str:
    lines = []
    for kernel in times.kernels:
        name = html.escape(kernel.name)
        places = [_link("line", kernel.source)] if kernel.source else []
        if kernel.name in spans:
            first, last = spans[kernel.name]
            places.append(f"<a href='#sv-{name}'>lines {first}–{last}</a>")
        where = f" ({', '.join(places)})" if places else ""
        lines.append(f"<p id='kernel-{name}'><b>{name}</b>{where} {html.escape(sentence(kernel, tried))}</p>")
    return "\n".join(lines)


def _link(prefix: str, text: str) -> str:
    return f"<a href='#{prefix}-{html.escape(text, quote=True)}'>{html.escape(text)}</a>"


def _kernel_rows(times: DesignTimes, report: Report, spans: Mapping[str, tuple[int, int]]) -> list[dict[str, Any]]:
    resources = {kernel.name: kernel.resources for kernel in report.kernels}
    rows = []
    for kernel in times.kernels:
        first, last = spans.get(kernel.name, (None, None))
        found = resources.get(kernel.name)
        told = {"kernel": kernel.name, "source": kernel.source or "", **kernel.to_json()}
        del told["name"], told["lost"]
        told |= {} if found is None else found.to_json()
        rows.append({**told, "first_line": first, "last_line": last})
    return rows


HEADS = {
    "kernel": "kernel", "source": "line", "start_cycle": "start", "end_cycle": "end", "rounds": "rounds",
    "period_cycles": "period", "cycles": "cycles", "own_cycles": "own cycles", "floor_cycles": "floor", "macs": "MACs",
    "lanes": "lanes", "interval_cycles": "II", "depth_cycles": "depth", "lut": "LUT", "ff": "FF", "dsp": "DSP",
    "bram36": "BRAM36", "first_line": "first line", "last_line": "last line",
}  # fmt: skip


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    return [(key, head) for key, head in HEADS.items() if any(key in row for row in rows)]


def _bars(times: DesignTimes, rows: Sequence[Mapping[str, Any]]) -> list[Plot]:
    """Where the cycles of each kernel go, and LUTs by kernel."""
    parts = []
    for kernel in times.kernels:
        told = {"point": kernel.name, "source": kernel.source or ""}
        parts += [{**told, "cause": cause, "cycles": round(cycles, 2)} for cause, cycles in _parts(kernel).items()]
    found = [
        plots.stacked("parts", "Where the cycles of each kernel go", parts, "cycles", "share of its cycles", "cause")
    ]
    luts = [{**row, "point": "all kernels"} for row in rows if row.get("lut")]
    found.append(plots.stacked("luts", "LUTs by kernel", luts, "lut", "share of the LUTs of all kernels"))
    return [plot for plot in found if plot is not None]


def _parts(kernel: KernelTime) -> dict[str, float]:
    """Cycles of a kernel by cause; they add up to `cycles`."""
    return {BUSY: kernel.cycles - sum(kernel.lost.values()), **kernel.lost}


MEMORY_COLUMNS = (
    ("memory", "memory"), ("storage", "kept in"), ("shape", "shape"), ("dtype", "type"), ("factors", "bank factors"),
    ("banks", "banks"), ("words", "words a bank"), ("written", "written by"), ("read", "read by"),
)  # fmt: skip


def _memories(program: Program) -> list[dict[str, Any]]:
    rows = []
    for buffer in program.buffers():
        writers = [kernel.name for kernel in program.kernels if any(s.buffer is buffer for s in kernel.stores())]
        readers = [kernel.name for kernel in program.kernels if any(load.buffer is buffer for load in kernel.loads())]
        factors = tuple(buffer.bank_factors)
        words = prod(-(-size // factor) for size, factor in zip(buffer.shape, factors, strict=True))
        rows.append(
            {
                "memory": buffer.name,
                "storage": buffer.storage.name,
                "shape": "×".join(map(str, buffer.shape)),
                "dtype": buffer.dtype,
                "factors": "×".join(map(str, factors)),
                "banks": prod(factors),
                "words": words,
                "written": " ".join(writers) or ("host" if buffer in program.inputs else ""),
                "read": " ".join([*readers, *(["host"] if buffer in program.outputs else [])]),
            }
        )
    return rows


def _source(compiled: Compiled, times: DesignTimes) -> str:
    """The user's files that kernels come from, each line with its cycles and kernels."""
    cycles = times.of_lines()
    files = dict.fromkeys(line.rpartition(":")[0] for line in cycles if ":" in line)
    parts = []
    for file in files:
        path = Path(compiled.loaded.sources.shown(file))
        text = path.read_text(errors="replace").split("\n") if path.is_file() and path.suffix == ".py" else []
        lines = []
        for number, code in enumerate(text, 1):
            name = f"{file}:{number}"
            told = f"{cycles[name]:,} cycles" if name in cycles else ""
            kernels = "".join(f" {_link('kernel', k.name)}" for k in times.kernels if k.source == name)
            line = f"<span class='cycles'>{told}</span>{number:4} {html.escape(code)}{kernels}"
            lines.append(f"<span class='line' id='line-{html.escape(name, quote=True)}'>{line}</span>")
        parts.append(f"<h3>{html.escape(file)}</h3>" + (f"<pre>{''.join(lines)}</pre>" if lines else ""))
    others = [(name, count) for name, count in cycles.items() if ":" not in name or not files]
    parts += [f"<p>{html.escape(name)}: {count:,} cycles</p>" for name, count in others]
    return "\n".join(parts)


def _generated(compiled: Compiled, spans: Mapping[str, tuple[int, int]]) -> str:
    lines = compiled.verilog().split("\n")
    shown = sum(len("\n".join(lines[first - 1 : last])) for first, last in spans.values()) <= MAX_SHOWN_BYTES
    parts = []
    for name, (first, last) in spans.items():
        title = f"{html.escape(name)}: lines {first}–{last}"
        body = f"<pre>{html.escape(chr(10).join(lines[first - 1 : last]))}</pre>" if shown else ""
        parts.append(f"<details id='sv-{html.escape(name, quote=True)}'><summary>{title}</summary>{body}</details>")
    return "\n".join(parts)

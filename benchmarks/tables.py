"""The benchmark's results as Markdown: cycles against their targets; area against target, paper and Vitis HLS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch2hw.explore.paper import BENCHMARKS, Area, Benchmark

FIGURES = (("LUT", "lut"), ("FF", "ff"), ("DSP", "dsp"), ("BRAM36", "bram36"))


def markdown(points: Sequence[Mapping[str, Any]], resource_tool: str) -> str:
    """Both tables. A figure that misses its target is bold."""
    known = {(point["model"], point["partition"]): point for point in points}
    rows = [(b, n, known[b.name, n]) for b in BENCHMARKS for n in b.cycles if (b.name, n) in known]
    parts = [
        "# Benchmark results",
        "Written by `python -m torch2hw.benchmarks`. **Bold** misses its target; – is not measured, or not stated.",
        "## Cycles, `go` to `done`, counted in simulation, fp32",
        table(
            ("model", "N", "MACs", "lanes", "cycles", "target", "MAC use", "bit-exact", "as predicted"), _cycles(rows)
        ),
        f"## Area ({resource_tool})",
        "Each cell: ours / target / the paper / Vitis HLS, the last two as the paper gives them (Vivado 2023.2, U50).",
        table(("model", "N", *(title for title, _ in FIGURES), "ECP5 MHz"), _areas(rows)),
    ]
    errors = [f"- {b.name}, N={n}: {point['error']}" for b, n, point in rows if "error" in point]
    if errors:
        parts += ["## Not measured", "\n".join(errors)]
    return "\n\n".join(parts) + "\n"


def _cycles(rows: Sequence[tuple[Benchmark, int, Mapping[str, Any]]]) -> Iterable[tuple[str, ...]]:
    for benchmark, n, point in rows:
        target = benchmark.cycles[n]
        predicted = "predicted_cycles" in point and (
            "yes" if point["predicted_cycles"] == point["cycles"] else "**no**"
        )
        exact = "bit_exact" in point and ("yes" if point["bit_exact"] else "**no**")
        use = f"{point['mac_utilization']:.1%}" if "mac_utilization" in point else "–"
        figures = (number(point.get("macs")), number(point.get("mac_lanes")), _against(point.get("cycles"), target))
        yield benchmark.name, str(n), *figures, f"{target:,}", use, exact or "–", predicted or "–"


def _areas(rows: Sequence[tuple[Benchmark, int, Mapping[str, Any]]]) -> Iterable[tuple[str, ...]]:
    for benchmark, n, point in rows:
        target = benchmark.area.get(n, Area())
        published = benchmark.published.get(n)
        cells = []
        for _, key in FIGURES:
            wanted = getattr(target, key)
            ours = _against(point.get(key), wanted)
            others = [number(getattr(area, key)) for area in (published.paper, published.vitis)] if published else []
            cells.append(" / ".join([ours, *([number(wanted), *others] if published else [])]))
        yield benchmark.name, str(n), *cells, number(point.get("ecp5_mhz"))


def _against(value: float | None, target: float | None) -> str:
    text = number(value)
    return f"**{text}**" if value is not None and target is not None and value > target else text


def number(value: float | None) -> str:
    """With separators; – for what there is not."""
    return "–" if value is None else f"{value:,}"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """In Markdown; figures to the right."""
    lines = [head, tuple("---" if k == 0 else "---:" for k in range(len(head))), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

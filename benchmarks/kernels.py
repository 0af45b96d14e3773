"""`python -m torch2hw.benchmarks.kernels`: use of the multiply-accumulate lanes beside Stream-HLS's, N = 4.

The kernels of Stream-HLS (FPGA 2025; fp32 from PyTorch, by Vitis HLS) at their sizes: cycles as predicted. In small, at
the same ratio of sizes: simulated, compared bit for bit, the cycles with the prediction. Writes kernels.json and
kernels.md; rows that are not measured this time (`--only`, `--predict`) stay as they are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch2hw.benchmarks.tables import number, table
from torch2hw.compiler.compiled import compile_model
from torch2hw.compiler.options import Options
from torch2hw.explore.measure import Point, json_text, measure, read_points
from torch2hw.frontend.load_model import load
from torch2hw.report import Report
from torch2hw.tools.errors import Torch2HWError
from torch2hw.tools.output import write_files

HERE = Path(__file__).resolve().parent
FILE = HERE / "models" / "kernels.py"
PARTITION = 4
TITLES = ("kernel", "MACs", "lanes", "cycles", "MAC use", "wanted", "Stream-HLS", "in small", "MAC use", "bit-exact")


@dataclass(frozen=True)
class Case:
    """A kernel: its factory and inputs, those of the small one; use that is wanted, and that Stream-HLS publishes."""

    name: str
    model: str
    inputs: tuple[str, ...]
    small: str
    small_inputs: tuple[str, ...]
    wanted: float
    published: str


CASES = (
    Case(
        "matmul 200×240×220",
        "Product",
        ("f32[200,240]", "f32[240,220]"),
        "Product",
        ("f32[20,24]", "f32[24,22]"),
        0.97,
        "84–99 %",
    ),
    Case(
        "feed-forward 512×(128→256→128)",
        "feed_forward",
        ("f32[512,128]",),
        "feed_forward_small",
        ("f32[64,16]",),
        0.85,
        "86 %",
    ),
    Case(
        "self-attention L=64 d=128 h=8",
        "self_attention",
        ("f32[64,128]",),
        "self_attention_small",
        ("f32[16,32]",),
        0.85,
        "23 %",
    ),
    Case(
        "residual block 16×56×56",
        "residual",
        ("f32[1,16,56,56]",),
        "residual_small",
        ("f32[1,4,14,14]",),
        0.85,
        "12 %",
    ),
    Case(
        "depthwise-separable 8×112×112",
        "depthwise_separable",
        ("f32[1,8,112,112]",),
        "depthwise_separable_small",
        ("f32[1,2,28,28]",),
        0.85,
        "11 %",
    ),
)


def main(arguments: list[str] | None = None) -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m torch2hw.benchmarks.kernels", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--only", metavar="TEXT", default="", help="kernels whose name contains this")
    parser.add_argument("--predict", action="store_true", help="simulate nothing")
    parser.add_argument("-o", "--output", type=Path, default=HERE, metavar="DIR", help="where the results are")
    parsed = parser.parse_args(arguments)
    file = parsed.output / "kernels.json"
    points: dict[str, Point] = {point["model"]: point for point in read_points(file)}
    for case in CASES:
        if parsed.only.lower() not in case.name.lower():
            continue
        print(case.name, file=sys.stderr, flush=True)
        point = points.get(case.name, {}) | predicted(case)
        if not parsed.predict:
            point["small"] = in_small(case)
        points[case.name] = point
        found = [points[case.name] for case in CASES if case.name in points]
        write_files(
            {
                parsed.output / "kernels.json": json_text(found, partition=PARTITION),
                parsed.output / "kernels.md": markdown(found),
            }
        )
    return 0


def predicted(case: Case) -> Point:
    """At its size: cycles by the compiler, and what limits the kernel that loses most."""
    point: Point = {"model": case.name, "partition": PARTITION}
    try:
        loaded = load(str(FILE), case.model, case.inputs)
        report = Report.of(compile_model(loaded, Options(partition=PARTITION), stop_at="calyx"))
    except Torch2HWError as error:
        return point | {"error": str(error).split("\n")[0]}
    told = report.to_json()
    point |= {key: told[key] for key in ("cycles", "macs", "mac_lanes", "mac_utilization") if key in told}
    worst = max(report.kernels, key=lambda kernel: kernel.cycles * kernel.lanes - kernel.macs)
    point["limit"] = f"{worst.name}: {worst.limit}"
    return point


def in_small(case: Case) -> Point:
    """Simulated."""
    found = measure(
        str(FILE),
        Options(partition=PARTITION),
        name=case.name,
        model=case.small,
        inputs=case.small_inputs,
        synthesis=False,
    )
    found["sizes"] = " ".join(case.small_inputs)
    return found


def markdown(points: Sequence[Mapping[str, Any]]) -> str:
    """The table. A use below what is wanted is bold, and followed by what limits it."""
    rows = []
    notes = []
    for point in points:
        case = next(case for case in CASES if case.name == point["model"])
        small = point.get("small", {})
        use = point.get("mac_utilization")
        shown = _use(use)
        if use is None or use < case.wanted:
            shown = f"**{shown}**"
            notes.append(f"- {case.name}: {point.get('error') or point.get('limit')}")
        figures = [number(point.get(key)) for key in ("macs", "mac_lanes", "cycles")]
        exact = "–"
        if "bit_exact" in small:
            right = small["bit_exact"] and small["cycles"] == small["predicted_cycles"]
            exact = "yes, as predicted" if right else "**no**"
        rows.append(
            (
                case.name,
                *figures,
                shown,
                f"{case.wanted:.0%}",
                case.published,
                number(small.get("cycles")),
                _use(small.get("mac_utilization")),
                exact,
            )
        )
    parts = [
        f"# Kernels of the state of the art, N = {PARTITION}",
        "Written by `python -m torch2hw.benchmarks.kernels`: fp32, cycles predicted; in small (the same ratio of "
        "sizes) counted in simulation. Multiplications by a convolution's padding count. Stream-HLS: FPGA 2025, not "
        "bit-exact. **Bold** misses what is wanted.",
        table(TITLES, rows),
        *(["What limits it, in the kernel that loses most:\n\n" + "\n".join(notes)] if notes else []),
    ]
    return "\n\n".join(parts) + "\n"


def _use(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


if __name__ == "__main__":
    sys.exit(main())

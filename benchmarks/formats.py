"""`python -m torch2hw.benchmarks.formats`: number formats and dot product units, cycles and area.

The feed-forward network at batch 64 with 16 lanes, and with `--gemm` a product of 256 × 256 matrices with 256 lanes, in
each format, with each kind of sums. Cycles are predicted; bits and cycles are compared by the tests. Writes
formats.json and formats.md; points that are not measured this time stay as they are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from torch2hw.benchmarks.area import unit_names, without_bodies
from torch2hw.benchmarks.tables import number, table
from torch2hw.compiler.compiled import Compiled, compile_model
from torch2hw.compiler.options import Options
from torch2hw.explore.measure import Point, json_text, read_points
from torch2hw.frontend.load_model import LoadedModel, load
from torch2hw.frontend.locations import Sources
from torch2hw.tools import yosys
from torch2hw.tools.output import write_files

HERE = Path(__file__).resolve().parent
FFNN = "FFNN batch 64"
GEMM = "GEMM 256×256×256"
CHOICES = (("f32", "float"), ("f32", "block"), ("bf16", "float"), ("bf16", "block"), ("f16", "float"), ("f16", "block"))
TITLES = ("model", "N", "format", "sums", "cycles, predicted", "MAC use", "LUT", "FF", "DSP", "BRAM36", "LUT a lane")


class Gemm(nn.Module):
    """The product of two matrices."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """a · b."""
        return a @ b


def main(arguments: list[str] | None = None) -> int:
    """Measure, and write both files. Returns 0."""
    parser = argparse.ArgumentParser(
        prog="python -m torch2hw.benchmarks.formats", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--gemm", action="store_true", help="the GEMM in f32 with dot product units, which takes long")
    parser.add_argument("--only", metavar="TEXT", default="", help="of the FFNN, what `FORMAT SUMS` contains this")
    parser.add_argument("-o", "--output", type=Path, default=HERE, metavar="DIR", help="where the results are")
    parsed = parser.parse_args(arguments)
    file = parsed.output / "formats.json"
    points = {(p["model"], p["dtype"], p["sums"]): p for p in read_points(file)}
    wanted = (
        [(GEMM, 16, "f32", "block")]
        if parsed.gemm
        else [(FFNN, 4, *choice) for choice in CHOICES if parsed.only in " ".join(choice)]
    )
    for name, n, dtype, sums in wanted:
        print(f"{name} {dtype} {sums}", file=sys.stderr, flush=True)
        points[name, dtype, sums] = measured(name, n, dtype, sums)
        found = [points[key] for key in sorted(points)]
        tool = yosys.tool()
        data = json_text(found, resource_tool=tool)
        write_files({file: data, parsed.output / "formats.md": markdown(found, tool)})
    return 0


def model_of(name: str) -> LoadedModel:
    """The model of that name."""
    if name == FFNN:
        return load(str(HERE.parent / "examples" / "ffnn.py"))
    inputs = (torch.randn(256, 256), torch.randn(256, 256))
    return LoadedModel(Gemm().eval(), inputs, __file__, "gemm", Sources(HERE, HERE))


def measured(name: str, n: int, dtype: str, sums: str) -> Point:
    """One row."""
    compiled = compile_model(model_of(name), Options(partition=n, dtype=dtype, sums=sums))
    manifest = compiled.manifest([], [])
    point: Point = {"model": name, "partition": n, "dtype": dtype, "sums": sums, "lanes": manifest["mac_lanes"]}
    point |= {"macs": manifest["macs"], "predicted_cycles": manifest["latency_cycles"]}
    total = yosys.resources({f"{compiled.top}.sv": compiled.verilog()}, compiled.top)
    return point | {"lut": total.lut, "ff": total.ff, "dsp": total.dsp, "bram36": total.bram36} | rest(compiled)


def rest(compiled: Compiled) -> Point:
    """What is no arithmetic unit."""
    text = without_bodies(compiled.verilog(), unit_names(compiled))
    return {"rest_lut": yosys.resources({f"{compiled.top}.sv": text}, compiled.top).lut}


def markdown(points: Sequence[Mapping[str, Any]], resource_tool: str) -> str:
    """The table."""
    rows = []
    for point in points:
        lanes, cycles = point["lanes"], point["predicted_cycles"]
        use = f"{point['macs'] / cycles / lanes:.1%}"
        figures = [number(point[key]) for key in ("lut", "ff", "dsp", "bram36")]
        name = (point["model"], str(point["partition"]), point["dtype"], point["sums"])
        rows.append((*name, number(cycles), use, *figures, f"{point['lut'] / lanes:.0f}"))
    parts = [
        "# Number formats and sums",
        f"Written by `python -m torch2hw.benchmarks.formats` ({resource_tool}). `sums` is `--sums`: a tree of adders, "
        "or dot product units that round once.",
        table(TITLES, rows),
    ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main())

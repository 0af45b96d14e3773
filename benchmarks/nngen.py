"""`python -m torch2hw.benchmarks.nngen`: the paper's models as NNgen builds them, to stand beside ours.

NNgen is installed into an environment of its own (`peers/nngen_design.py` runs there), in 16-bit integers, with as many
input and output channels at a time as `parallelism`, and 32 bits of bus for each. Icarus simulates the designs, which
read weights and inputs over the bus; the results must be those of NNgen's software. Area is Yosys's, as ours. Writes
nngen.json and nngen.md; points that are not measured this time stay. NNgen cannot build the attention.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch2hw.benchmarks.tables import number, table
from torch2hw.explore.measure import Point, json_text, read_points
from torch2hw.tools import yosys
from torch2hw.tools.errors import CheckError
from torch2hw.tools.output import write_files

HERE = Path(__file__).resolve().parent
PACKAGES = ("nngen==1.3.4", "veriloggen==2.3.0", "pyverilog==1.3.0", "numpy==2.4.6", "ml_dtypes==0.6.0", "onnx==1.23.2")
MODELS = ("FFNN batch 1", "FFNN batch 64", "CNN")
AREA = ("lut", "ff", "dsp", "bram36")
COLUMNS = ("model", "parallelism", "cycles", "LUT", "FF", "DSP", "BRAM36")


def main(arguments: list[str] | None = None) -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m torch2hw.benchmarks.nngen", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--only", metavar="TEXT", default="", help="models whose name contains this")
    parser.add_argument("--parallelism", metavar="N,…", default="1,2,4", help="channels at a time (1,2,4)")
    parser.add_argument("-o", "--output", type=Path, default=HERE, metavar="DIR", help="where the results are")
    parsed = parser.parse_args(arguments)
    file = parsed.output / "nngen.json"
    points: dict[tuple[int, int], Point] = {_key(point): point for point in read_points(file)}
    with tempfile.TemporaryDirectory(prefix="torch2hw-") as folder:
        python = environment(Path(folder))
        for model in (each for each in MODELS if parsed.only in each):
            for parallelism in map(int, parsed.parallelism.split(",")):
                print(f"{model} at {parallelism}", file=sys.stderr, flush=True)
                point = measure(python, model, parallelism, Path(folder))
                points[_key(point)] = point
                found, tool = [points[key] for key in sorted(points)], yosys.tool()
                write_files({file: json_text(found, resource_tool=tool), file.with_suffix(".md"): page(found, tool)})
    return 0


def _key(point: Mapping[str, Any]) -> tuple[int, int]:
    return MODELS.index(point["model"]), point["parallelism"]


def environment(folder: Path) -> Path:
    """A fresh environment with NNgen; its Python."""
    venv.create(folder / "env", with_pip=True)
    python = folder / "env" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return python


def measure(python: Path, model: str, parallelism: int, folder: Path) -> Point:
    """One design. Raises CheckError where its simulation gives something else than NNgen's software."""
    script = HERE / "peers" / "nngen_design.py"
    command = [str(each) for each in (python, script, model, parallelism, folder)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    if not told.pop("right"):
        raise CheckError(f"{model} at {parallelism}: NNgen's design and its software differ")
    area = yosys.resources({"design.sv": (folder / "design.v").read_text()}, "network").to_json()
    return {"model": model, "parallelism": parallelism, **told} | {key: area[key] for key in AREA}


def page(points: Sequence[Mapping[str, Any]], resource_tool: str) -> str:
    """The table."""
    rows = [
        (point["model"], str(point["parallelism"]), *(number(point[key]) for key in ("cycles", *AREA)))
        for point in points
    ]
    text = " ".join((__doc__ or "").strip().partition("\n\n")[2].split())
    told = f"Written by `python -m torch2hw.benchmarks.nngen` ({PACKAGES[0]}, {resource_tool}). {text}"
    return f"# NNgen\n\n{told}\n\n{table(COLUMNS, rows)}\n"


if __name__ == "__main__":
    sys.exit(main())

"""`python -m torch2hw.benchmarks.native_calyx`: designs as the native Calyx compiler builds them, beside ours.

Each is simulated on its example inputs and on random ones, and must give the reference's bits in the predicted cycles;
of the sequential schedule, whose cycles are the compiler's own, both counts are told. Area is Yosys's, of both. Of
designs that keep state, the runs follow one another: neurons with a potential (`Leaky`), a training step (`adam`).
Writes native_calyx.json and native_calyx.md; points that are not measured this time stay. Needs `calyx` on PATH.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from torch2hw.analysis.stored_arrays import from_torch
from torch2hw.benchmarks.tables import number, table
from torch2hw.compiler.compiled import Compiled, compile_model
from torch2hw.compiler.native_calyx import native_texts
from torch2hw.compiler.options import Options
from torch2hw.explore.measure import Point, json_text, read_points
from torch2hw.frontend.load_model import LoadedModel, load
from torch2hw.frontend.losses import loss_named
from torch2hw.frontend.optimizers import optimizer_named
from torch2hw.frontend.signature import Structure
from torch2hw.frontend.training_step import training_step
from torch2hw.sim.native_calyx import native_cycles
from torch2hw.tools import native_calyx, yosys
from torch2hw.tools.output import write_files

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parent / "examples"
MODELS = ("ffnn", "ffnn_batch1", "cnn", "mha16", "mha100")  # the paper's
SMALL = HERE / "models" / "small.py"
STATEFUL = ("Leaky", "adam")
COLUMNS = ("model", "schedule", "N", "cycles", "native cycles", "LUT", "native LUT", "FF", "native FF")


def main(arguments: list[str] | None = None) -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m torch2hw.benchmarks.native_calyx", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "--only",
        metavar="NAME,…",
        default=",".join(MODELS),
        help=f"files of examples/, {', '.join(STATEFUL)} (the paper's)",
    )
    parser.add_argument("--partition", metavar="N,…", default="1,2,4", help="partition factors (1,2,4)")
    parser.add_argument("--schedule", choices=("static", "sequential"), default="static", help="(static)")
    parser.add_argument("--no-synthesis", action="store_true", help="leave out resources")
    parser.add_argument("-o", "--output", type=Path, default=HERE, metavar="DIR", help="where the results are")
    parsed = parser.parse_args(arguments)
    file = parsed.output / "native_calyx.json"
    points: dict[tuple[Any, ...], Point] = {_key(point): point for point in read_points(file)}
    for name in parsed.only.split(","):
        for n in map(int, parsed.partition.split(",")):
            print(f"{name} at {n}, {parsed.schedule}", file=sys.stderr, flush=True)
            point = measure(name, Options(partition=n, schedule=parsed.schedule), not parsed.no_synthesis)
            points[_key(point)] = point
            found, tool = [points[key] for key in sorted(points, key=str)], yosys.tool()
            write_files({file: json_text(found, resource_tool=tool), file.with_suffix(".md"): markdown(found, tool)})
    return 0


def _key(point: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(point[field] for field in ("model", "schedule", "partition"))


def measure(name: str, options: Options, synthesis: bool) -> Point:
    """One design, built both ways. Raises CheckError where bits or cycles differ."""
    compiled = compile_model(loaded_model(name), replace(options, keep_state=name == "Leaky"))
    _, tensors = Structure.of(compiled.loaded.example_inputs)
    tensors = tensors[: len(tensors) - len(compiled.loaded.states)]
    generator = torch.Generator().manual_seed(3)
    other = [torch.randn(x.shape, generator=generator) if x.is_floating_point() else x for x in tensors]
    (cycles,) = set(native_cycles(compiled, [[from_torch(x) for x in each] for each in (tensors, other)]))
    point = {
        "model": name,
        "schedule": options.schedule,
        "partition": options.partition,
        "cycles": compiled.at("calyx").latency_cycles,
        "native_cycles": cycles,
    }
    if synthesis:
        ours = yosys.resources({f"{compiled.top}.sv": compiled.verilog()}, compiled.top).to_json()
        theirs = yosys.resources({f"{compiled.top}.sv": synthesisable(compiled)}, compiled.top).to_json()
        point |= {key: ours[key] for key in ("lut", "ff")} | {f"native_{key}": theirs[key] for key in ("lut", "ff")}
    return point


def loaded_model(name: str) -> LoadedModel:
    """The model of a point: a file of examples/, or one of `STATEFUL`."""
    if name == "Leaky":
        return load(str(SMALL), name, ["f32[6]"])
    if name == "adam":
        return training_step(load(str(SMALL), "Ffnn", ["f32[3,7]"]), loss_named("mse"), optimizer_named("adam")).loaded
    return load(str(EXAMPLES / f"{name}.py"))


def synthesisable(compiled: Compiled) -> str:
    """The design as the native compiler writes it for synthesis. Large weights are not in it."""
    with tempfile.TemporaryDirectory(prefix="torch2hw-") as folder:
        for file, text in native_texts(compiled, f"{compiled.top}.futil").files.items():
            Path(folder, file).parent.mkdir(exist_ok=True)
            Path(folder, file).write_text(text)
        return native_calyx.verilog(Path(folder, f"{compiled.top}.futil"), native_calyx.SYNTHESIS)


def markdown(points: Sequence[Mapping[str, Any]], resource_tool: str) -> str:
    """The table."""
    columns = ("cycles", "native_cycles", "lut", "native_lut", "ff", "native_ff")
    rows = [
        (
            point["model"],
            point["schedule"],
            str(point["partition"]),
            *(number(point.get(key)) for key in columns),
        )
        for point in sorted(points, key=lambda point: (point["schedule"] != "static", str(_key(point))))
    ]
    parts = [
        "# The native Calyx compiler",
        "Written by `python -m torch2hw.benchmarks.native_calyx`: the same Calyx programs by our lowering and by the"
        f" crate `calyx` {native_calyx.VERSION} ({resource_tool}). Every result is the reference's, bit for bit; static"
        " schedules take the predicted cycles.",
        table(COLUMNS, rows),
    ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main())

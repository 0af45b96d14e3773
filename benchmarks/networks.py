"""`python -m torch2hw.benchmarks.networks`: small networks in number formats, compiled, simulated and synthesised.

The values are those of the design's reference on inputs that calibrated nothing: their correlation with the model in
floats, and with the quantised model that PyTorch runs. Where a run takes more cycles than `--cycles`, there is no
simulation; above `--luts` no synthesis, for Yosys would take hours. Writes networks.json and networks.md; a point that
is there is not measured again without `--again`.
"""

from __future__ import annotations

import argparse
import inspect
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from torch2hw.analysis.stored_arrays import from_torch, to_float64
from torch2hw.benchmarks.models import tiny
from torch2hw.benchmarks.tables import number, table
from torch2hw.compiler.compiled import Compiled, compile_model
from torch2hw.compiler.options import Options
from torch2hw.explore.measure import Point, json_text, read_points
from torch2hw.frontend.load_model import LoadedModel
from torch2hw.frontend.locations import Sources
from torch2hw.frontend.signature import TensorInfo
from torch2hw.report import Report
from torch2hw.sim.check import references, simulate_design
from torch2hw.tools import yosys
from torch2hw.tools.errors import Torch2HWError
from torch2hw.tools.output import write_files

HERE = Path(__file__).resolve().parent
CALIBRATION, TESTED = 8, 4
"""Sets of random inputs."""


@dataclass(frozen=True)
class Network:
    """`make` gives the model, and `inputs` its shape: an image or floats, or tokens below `words`."""

    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    words: int = 0

    def inputs(self, generator: torch.Generator) -> Tensor:
        """One set of inputs."""
        if self.words:
            return torch.randint(0, self.words, self.shape, generator=generator)
        return torch.randn(self.shape, generator=generator)


NETWORKS = {
    "ResNet-8": Network(tiny.ResNet, (1, 3, 32, 32)),
    "keyword spotter": Network(tiny.KeywordSpotter, (1, 1, 49, 10)),
    "autoencoder": Network(tiny.Autoencoder, (1, 640)),
    "MobileNetV2 0.25": Network(tiny.MobileNet, (1, 3, 32, 32)),
    "encoder layer": Network(tiny.encoder, (1, 16, 64)),
    "GPT, two layers": Network(tiny.Gpt, (1, 16), 128),
    "ResNet-20": Network(lambda: tiny.ResNet(3), (1, 3, 32, 32)),
}
TORCH_TYPES = {"bf16": "bfloat16", "f16": "float16"}
FORMATS: dict[str, dict[str, Any]] = {"int8": {"quantize": "int8"}, "bf16": {"dtype": "bf16"}, "f16": {"dtype": "f16"}}
TITLES = (
    "network", "format", "N", "MACs", "lanes", "cycles", "use", "simulated", "PCC, floats", "PCC, format",
    "LUT", "FF", "DSP", "BRAM36",
)  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Measure, and write after every point."""
    parser = argparse.ArgumentParser(
        prog="python -m torch2hw.benchmarks.networks", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--only", metavar="TEXT", default="", help="networks whose name contains this")
    parser.add_argument("--format", metavar="F,…", default="int8", help=f"of {', '.join(FORMATS)} (int8)")
    parser.add_argument("--partition", metavar="N,…", default="4", help="partition factors (4)")
    parser.add_argument("--cycles", type=int, default=300_000, help="of a run that is simulated, at most")
    parser.add_argument("--lanes", type=int, default=16, help="of a design that is synthesised, at most")
    parser.add_argument("--again", action="store_true", help="measure what is there, too")
    parser.add_argument("-o", "--output", type=Path, default=HERE, metavar="DIR", help="where the results are")
    parsed = parser.parse_args(arguments)
    file = parsed.output / "networks.json"
    points = {key_of(point): point for point in read_points(file)}
    for name in (name for name in NETWORKS if parsed.only in name):
        for form in parsed.format.split(","):
            for n in map(int, parsed.partition.split(",")):
                if (name, form, n) in points and not parsed.again:
                    continue
                print(f"{name}, {form}, N = {n}", file=sys.stderr, flush=True)
                points[name, form, n] = measured(name, form, n, parsed.cycles, parsed.lanes)
                found = [points[key] for key in sorted(points, key=_order)]
                write_files(
                    {file: json_text(found, resource_tool=yosys.tool()), file.with_suffix(".md"): markdown(found)}
                )
    return 0


def key_of(point: Mapping[str, Any]) -> tuple[str, str, int]:
    """The network, the format and the partition factor."""
    return point["model"], point["format"], point["partition"]


def _order(key: tuple[str, str, int]) -> tuple[int, ...]:
    return list(NETWORKS).index(key[0]), list(FORMATS).index(key[1]), key[2]


def measured(name: str, form: str, n: int, cycles: int, lanes: int) -> Point:
    """One network in one format; a refusal or a fault is its `error`."""
    point: Point = {"model": name, "format": form, "partition": n}
    started = time.monotonic()
    try:
        compiled, model, tested = compiled_network(NETWORKS[name], form, n)
        found = Report.of(compiled).to_json()
        point |= {key: found[key] for key in ("cycles", "macs", "mac_lanes", "mac_utilization") if key in found}
        point |= correlations(compiled, model, tested)
        point["compile_seconds"] = round(time.monotonic() - started)
        if found["cycles"] <= cycles:
            result = simulate_design(compiled, compiled.loaded.example_inputs).to_json()
            point |= {"simulated": result["cycles"], "bit_exact": result["bit_exact"]}
        if found.get("mac_lanes", 0) <= lanes:
            point |= yosys.resources({f"{compiled.top}.sv": compiled.verilog()}, compiled.top).to_json()
    except Torch2HWError as error:
        point["error"] = str(error).split("\n")[0]
    return point


def compiled_network(network: Network, form: str, n: int) -> tuple[Compiled, nn.Module, list[Tensor]]:
    """The design, the model in floats, and inputs to test both on."""
    torch.manual_seed(0)
    model = tiny.trained(network.make())
    generator = torch.Generator().manual_seed(1)
    sets = [network.inputs(generator) for _ in range(CALIBRATION + TESTED)]
    name = next(iter(inspect.signature(model.forward).parameters))
    loaded = LoadedModel(model, (sets[0],), str(HERE / "models" / "tiny.py"), "network", Sources(HERE, HERE))
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data.npz"
        np.savez(data, **{name: torch.stack(sets[:CALIBRATION]).numpy()})  # type: ignore[arg-type]
        calibrate = str(data) if form == "int8" else None
        compiled = compile_model(loaded, Options.given({"partition": n, "calibrate": calibrate, **FORMATS[form]}))
    return compiled, model, sets[CALIBRATION:]


def correlations(compiled: Compiled, model: nn.Module, tested: Sequence[Tensor]) -> dict[str, float]:
    """Of the reference's outputs: with those of the model in floats, and with those of the model that is compiled."""
    port, result = compiled.imported.inputs[0], compiled.imported.outputs[0]
    given = [stored(x, port, compiled.options) for x in tested]
    found = [each[0] for each in references(compiled, [[from_torch(x)] for x in given])]
    values = np.concatenate([to_float64(each, result.dtype).reshape(-1) for each in found])
    with torch.no_grad():
        floats = torch.cat([model(x).reshape(-1) for x in tested])
        runnable = [x if x.dtype != torch.bfloat16 and x.dtype != torch.float16 else x.float() for x in given]
        same = torch.cat([compiled.loaded.model(x).reshape(-1) for x in runnable])
    return {
        "pcc_floats": round(pcc(values, floats.double().numpy()), 6),
        "pcc_format": round(pcc(values, same.double().numpy()), 6),
    }


def stored(x: Tensor, port: TensorInfo, options: Options) -> Tensor:
    """An input as the design takes it: codes, or numbers of its format."""
    if port.codes is not None:
        codes = torch.round(x / port.codes.scale) + port.codes.zero_point
        return torch.clamp(codes, -128, 127).to(torch.int8)
    return x.to(getattr(torch, TORCH_TYPES.get(options.dtype or "", ""), x.dtype)) if x.is_floating_point() else x


def pcc(left: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> float:
    """Pearson's correlation."""
    return float(np.corrcoef(left, right)[0, 1])


def markdown(points: Sequence[Mapping[str, Any]]) -> str:
    """The table, and what was refused."""
    rows = [_row(point) for point in points if "error" not in point]
    wrong = [f"- {p['model']}, {p['format']}, N = {p['partition']}: {p['error']}" for p in points if "error" in p]
    parts = [
        "# Small networks in number formats",
        "Written by `python -m torch2hw.benchmarks.networks`: random weights; PCC is the correlation of the design's "
        f"reference with the model in floats, and with the model in that format as PyTorch runs it ({yosys.tool()}).",
        table(TITLES, rows),
        *(["\n".join(wrong)] if wrong else []),
    ]
    return "\n\n".join(parts) + "\n"


def _row(point: Mapping[str, Any]) -> tuple[str, ...]:
    simulated = "–" if "simulated" not in point else "bit-exact" if point["bit_exact"] else "**no**"
    if point.get("simulated", point["cycles"]) != point["cycles"]:
        simulated = f"**{number(point['simulated'])}**"
    return (
        *(point["model"], point["format"], str(point["partition"]), number(point["macs"]), str(point["mac_lanes"])),
        *(number(point["cycles"]), f"{point['mac_utilization']:.1%}", simulated),
        *(f"{point['pcc_floats']:.4f}", f"{point['pcc_format']:.4f}"),
        *(number(point[key]) if key in point else "–" for key in ("lut", "ff", "dsp")),
        f"{point['bram36']:g}" if "bram36" in point else "–",
    )


if __name__ == "__main__":
    sys.exit(main())

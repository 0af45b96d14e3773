"""`python -m torch2hw.benchmarks.bus_proofs`: the rules of streams and buses, proved of wrappers.

`sim/protocol_proof.py` has the proof: for all cycles, any core, and anything on the other side. Writes bus_proofs.json
and bus_proofs.md after each proof; those that are not made this time stay as they are.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch2hw.benchmarks.streams import MODELS, SMALL
from torch2hw.benchmarks.tables import number, table
from torch2hw.compiler.compiled import compile_model
from torch2hw.compiler.options import Options
from torch2hw.explore.measure import Point, json_text, read_points
from torch2hw.frontend.load_model import load
from torch2hw.sim.protocol_proof import proof
from torch2hw.tools.output import write_files

HERE = Path(__file__).resolve().parent
INTERFACES, WIDTHS = ("axis", "axi"), (32, 64, 128, 512)
N = 4
TITLES = ("model", "interface", *(f"{bits} bits: s" for bits in WIDTHS))


def main(arguments: list[str] | None = None) -> int:
    """The command; 1 where something is not proved."""
    parser = argparse.ArgumentParser(
        prog="python -m torch2hw.benchmarks.bus_proofs", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--only", metavar="NAME", nargs="+", choices=MODELS, default=list(MODELS), help="these models")
    parser.add_argument("--interface", nargs="+", choices=INTERFACES, default=INTERFACES, help="these interfaces")
    parser.add_argument("--data-bits", type=int, metavar="W", nargs="+", default=WIDTHS, help="these widths of a beat")
    parser.add_argument("-o", "--output", type=Path, default=HERE, metavar="DIR", help="where the record is")
    parsed = parser.parse_args(arguments)
    points = {_key(point): point for point in read_points(parsed.output / "bus_proofs.json")}
    holds = True
    for model in parsed.only:
        for interface in parsed.interface:
            for bits in parsed.data_bits:
                point = proved(model, interface, bits)
                holds &= bool(point["holds"])
                points[_key(point)] = point
                found = [points[key] for key in sorted(points, key=str)]
                record = {"bus_proofs.json": json_text(found), "bus_proofs.md": markdown(found)}
                write_files({parsed.output / name: text for name, text in record.items()})
    return int(not holds)


def _key(point: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(point[field] for field in ("model", "interface", "data_bits"))


def proved(model: str, interface: str, data_bits: int) -> Point:
    """Whether the rules hold of the wrapper of a small model, and in how many seconds that was decided."""
    print(f"{model}, {interface} of {data_bits} bits", file=sys.stderr, flush=True)
    loaded = load(str(SMALL), model, [MODELS[model]])
    compiled = compile_model(loaded, Options(partition=N, interface=interface, data_bits=data_bits))
    program, top = compiled.at("calyx").program, compiled.top
    tensors = (*program.inputs, *program.outputs)
    begun = time.monotonic()
    holds = proof(compiled.verilog(), top, f"{top}_core", compiled.options.host, tensors)
    seconds = round(time.monotonic() - begun)
    return {"model": model, "interface": interface, "data_bits": data_bits, "holds": holds, "seconds": seconds}


def markdown(points: Sequence[Mapping[str, Any]]) -> str:
    """The table: seconds of each proof."""
    told = {_key(point): point for point in points}
    rows = []
    for model, interface in dict.fromkeys((str(point["model"]), str(point["interface"])) for point in points):
        found = [told.get((model, interface, bits)) for bits in WIDTHS]
        rows.append((model, interface, *(_cell(point) for point in found)))
    parts = [
        "# Proofs about wrappers",
        "Written by `python -m torch2hw.benchmarks.bus_proofs`: what streams and buses offer stays until it is "
        "accepted, and requests and `wlast` are what AXI4 allows, in every cycle, whatever the core does. Small "
        f"models, N = {N}; decided by Yosys and ABC (`pdr`) in so many seconds, in which the machine did other "
        "things, too.",
        table(TITLES, rows),
    ]
    return "\n\n".join(parts) + "\n"


def _cell(point: Mapping[str, Any] | None) -> str:
    if point is None:
        return "–"
    return number(point["seconds"]) if point["holds"] else "**does not hold**"


if __name__ == "__main__":
    sys.exit(main())

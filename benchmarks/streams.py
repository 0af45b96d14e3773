"""`python -m torch2hw.benchmarks.streams`: what streams cost and that they hold: area of the FFNN, and transactions.

Area is that of flat syntheses, with memories and with streams. Transactions run under cocotbext-axi in Verilator: the
bench that `torch2hw testbench` writes, with so many random ones. Runs of axi are those of `torch2hw simulate`, which
are faster: random inputs, random stalls on every channel, starts while inputs are fetched. Throughput is measured with
whole models, by `simulate`, too. Writes streams.json and streams.md; points that are not measured this time stay as
they are.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch2hw.benchmarks.generated_bench import run
from torch2hw.benchmarks.tables import number, table
from torch2hw.compiler.compiled import compile_model
from torch2hw.compiler.options import Options
from torch2hw.dialects.interface import DATA_BITS
from torch2hw.explore.measure import Point, json_text, read_points
from torch2hw.frontend.load_model import load
from torch2hw.sim.check import simulate_design
from torch2hw.sim.testbench import write_testbench
from torch2hw.tools import yosys
from torch2hw.tools.output import write_files

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parent / "examples"
WHOLE = {"FFNN, batch 64": "ffnn", "CNN": "cnn", "LeNet-5": "lenet5", "MHA, L = 16": "mha16"}
SMALL = HERE / "models" / "small.py"
MODELS = {"Ffnn": "f32[3,7]", "Cnn": "f32[1,2,4,4]", "LeNet": "f32[1,1,7,7]", "Attention": "f32[1,5,4]"}
AREA = ("model", "interface", "N", "interval", "LUT", "FF", "DSP", "BRAM36")
RUNS = ("model", "N", "data bits", "cycles", "with transfers", "interval", "runs")
CYCLES = ("latency_cycles", "run_cycles", "interval_cycles")
RATE = ("model", "interface", "N", "cycles", "interval, predicted", "interval, measured", "lost to transfers")
SWEEP = ("model", "interface", "N", "data bits", "cycles", "interval", "transactions", "wrong", "resets")


def main(arguments: list[str] | None = None) -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m torch2hw.benchmarks.streams", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--interface", metavar="HOW,…", default="axis", help="interfaces (axis)")
    parser.add_argument("--area", metavar="N,…", default="", help="partition factors at which area is measured")
    parser.add_argument("--throughput", metavar="N,…", default="", help="partition factors at which it is measured")
    parser.add_argument("--only", metavar="NAME", choices=[*MODELS, *WHOLE], help="of the models, this one")
    parser.add_argument("--partition", metavar="N,…", default="1,4", help="partition factors (1,4)")
    parser.add_argument("--data-bits", metavar="W,…", default=",".join(map(str, DATA_BITS)), help="widths (all)")
    parser.add_argument("--transactions", type=int, metavar="N", default=0, help="random transactions of each design")
    parser.add_argument("--missing", action="store_true", help="no transactions of designs that have as many already")
    parser.add_argument("--runs", type=int, metavar="N", default=0, help="random runs of each axi design, by simulate")
    parser.add_argument("-o", "--output", type=Path, default=HERE, metavar="DIR", help="where the results are")
    parsed = parser.parse_args(arguments)
    file = parsed.output / "streams.json"
    points: dict[tuple[Any, ...], Point] = {_key(point): point for point in read_points(file)}

    def keep(point: Point) -> None:
        points[_key(point)] = point
        found = [points[key] for key in sorted(points, key=str)]
        tool = yosys.tool()
        write_files({file: json_text(found, resource_tool=tool), file.with_suffix(".md"): markdown(found, tool)})

    def is_there(model: str, interface: str, n: int, bits: int) -> bool:
        told = points.get(("transactions", model, interface, n, bits), {})
        return bool(parsed.missing) and int(told.get("transactions", 0)) >= int(parsed.transactions)

    interfaces = parsed.interface.split(",")
    for n in map(int, filter(None, parsed.area.split(","))):
        for interface in ("mem", *interfaces):
            keep(area(n, interface))
    for n in map(int, filter(None, parsed.throughput.split(","))):
        for model in (each for each in WHOLE if parsed.only in (None, each)):
            for interface in interfaces:
                keep(throughput(model, n, interface))
    for model in (each for each in MODELS if parsed.only in (None, each)):
        for n in map(int, parsed.partition.split(",")):
            for bits in map(int, parsed.data_bits.split(",")):
                if parsed.runs:
                    keep(runs(model, n, bits, parsed.runs))
                for interface in interfaces if parsed.transactions else ():
                    if not is_there(model, interface, n, bits):
                        keep(transactions(model, interface, n, bits, parsed.transactions))
    return 0


def _key(point: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(point.get(field, "") for field in ("kind", "model", "interface", "partition", "data_bits"))


def area(n: int, interface: str) -> Point:
    """The resources of the FFNN, with the interface's default width."""
    print(f"area, N = {n}, {interface}", file=sys.stderr, flush=True)
    compiled = compile_model(load(str(EXAMPLES / "ffnn.py")), Options(partition=n, interface=interface))
    told = compiled.manifest([], [])
    found = yosys.resources({f"{compiled.top}.sv": compiled.verilog()}, compiled.top)
    interval = told.get("interval_cycles", told["latency_cycles"] + 1)
    facts = {"kind": "area", "model": "ffnn", "interface": interface, "partition": n, "interval_cycles": interval}
    return {**facts, **found.to_json()}


def runs(model: str, n: int, data_bits: int, count: int) -> Point:
    """Simulate a small model with a bus, with `count` runs. Raises where a bit or a cycle is not as predicted."""
    print(f"{model}, N = {n}, axi of {data_bits} bits, {count} runs", file=sys.stderr, flush=True)
    loaded = load(str(SMALL), model, [MODELS[model]])
    compiled = compile_model(loaded, Options(partition=n, interface="axi", data_bits=data_bits))
    result = simulate_design(compiled, loaded.example_inputs, runs=count)
    result.check()
    told = compiled.manifest([], [])
    facts: Point = {"kind": "runs", "model": model, "interface": "axi", "partition": n, "data_bits": data_bits}
    return {**facts, **{key: told[key] for key in CYCLES}, "runs": count}


def throughput(model: str, n: int, interface: str) -> Point:
    """Simulate a whole model with runs one after the other. Raises where a bit or a cycle is not as predicted."""
    print(f"{model}, N = {n}, {interface}", file=sys.stderr, flush=True)
    loaded = load(str(EXAMPLES / f"{WHOLE[model]}.py"))
    compiled = compile_model(loaded, Options(partition=n, interface=interface))
    result = simulate_design(compiled, loaded.example_inputs)
    result.check()
    told = result.to_json()
    facts: Point = {"kind": "throughput", "model": model, "interface": interface, "partition": n}
    intervals = {key: told[key] for key in ("interval_cycles", "predicted_interval_cycles")}
    return {**facts, "latency_cycles": told["cycles"], **intervals}


def transactions(model: str, interface: str, n: int, data_bits: int, count: int) -> Point:
    """Run the testbench of a small model with `count` random transactions. Raises where it fails."""
    print(f"{model}, N = {n}, {interface} of {data_bits} bits", file=sys.stderr, flush=True)
    loaded = load(str(SMALL), model, [MODELS[model]])
    compiled = compile_model(loaded, Options(partition=n, interface=interface, data_bits=data_bits))
    told = compiled.manifest([], [])
    with tempfile.TemporaryDirectory(prefix="torch2hw-") as folder:
        bench = Path(folder) / "bench"
        write_testbench(compiled, loaded.example_inputs, bench)
        ran = run(bench, "verilator", count)
        if ran.returncode != 0:
            raise AssertionError(f"{model}, N = {n}, {interface} of {data_bits} bits:\n{ran.stdout[-5000:]}")
        happened = json.loads((bench / "build" / "verilator" / "top" / "transactions.json").read_text())
    facts: Point = {
        "kind": "transactions",
        "model": model,
        "interface": interface,
        "partition": n,
        "data_bits": data_bits,
    }
    cycles: Point = {key: told[key] for key in ("latency_cycles", "interval_cycles")}
    wrong = sum(happened.get(key, 0) for key in ("dropped", "misaligned", "read", "write"))
    resets = sum(found for key, found in happened.items() if key.startswith("resets"))
    return {**facts, **cycles, "transactions": happened["transactions"], "wrong": wrong, "resets": resets}


def markdown(points: Sequence[Mapping[str, Any]], resource_tool: str) -> str:
    """The tables."""
    areas = [
        (
            "FFNN, batch 64",
            point["interface"],
            str(point["partition"]),
            number(point["interval_cycles"]),
            *(number(point[key]) for key in ("lut", "ff", "dsp", "bram36")),
        )
        for point in sorted(points, key=lambda point: (point["partition"], point["interface"] != "mem"))
        if point["kind"] == "area"
    ]
    ran = [
        (
            point["model"],
            point["interface"],
            str(point["partition"]),
            str(point["data_bits"]),
            number(point["latency_cycles"]),
            number(point.get("interval_cycles")),
            *(number(point[key]) for key in ("transactions", "wrong", "resets")),
        )
        for point in sorted(points, key=lambda p: (p["model"], p["interface"], p["partition"], p.get("data_bits", 0)))
        if point["kind"] == "transactions"
    ]
    simulated = [
        (
            point["model"],
            str(point["partition"]),
            str(point["data_bits"]),
            *(number(point[key]) for key in (*CYCLES, "runs")),
        )
        for point in sorted(points, key=lambda p: (p["model"], p["partition"], p.get("data_bits", 0)))
        if point["kind"] == "runs"
    ]
    rates = [
        (
            point["model"],
            point["interface"],
            str(point["partition"]),
            *(number(point[key]) for key in ("latency_cycles", "predicted_interval_cycles", "interval_cycles")),
            f"{100 * (1 - point['latency_cycles'] / point['interval_cycles']):.2f} %",
        )
        for point in sorted(points, key=lambda p: (p["model"], p["interface"], p["partition"]))
        if point["kind"] == "throughput"
    ]
    parts = [
        "# Streams",
        "Written by `python -m torch2hw.benchmarks.streams`. Area of the FFNN at batch 64 with memories and streams"
        f" of the default width ({resource_tool}); the interval is that from result to result.",
        table(AREA, areas),
        "Whole models whose transfers are shorter than their runs, with the default widths: the cycles of a run, and "
        "those from result to result of runs one after the other, by `torch2hw simulate`.",
        table(RATE, rates),
        "Small models (`benchmarks/models/small.py`) under cocotbext-axi: random transactions with stalls on every "
        "channel, bit for bit and in order; results come every `interval_cycles` where nobody waits. `wrong`: of axis, "
        "packets of a wrong length between the others, which are dropped and counted; of axi, transactions with a "
        "misaligned address or error responses, between and under others. `resets`: in packets and bursts of both "
        "directions, and in runs; transactions that they end do not count.",
        table(SWEEP, ran),
        "The same models with `--interface axi`, by `torch2hw simulate`: random inputs, random stalls on every "
        "channel, starts while inputs are fetched; the bench checks the rules of the bus. Every bit, and all three "
        "figures, are as predicted.",
        table(RUNS, simulated),
    ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main())

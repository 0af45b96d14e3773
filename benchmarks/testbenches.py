"""`python -m torch2hw.benchmarks.testbenches`: the generated testbenches of every example, on both simulators.

For each example: every bench that `torch2hw testbench` writes is run on Verilator and on Icarus Verilog. Then faults
are planted in the design (`FAULTS`), each in a copy, and the bench of the whole design must fail. Writes
testbenches.json and testbenches.md after each example; what is not run this time (`--only`, `--simulator`) stays.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch2hw.benchmarks.tables import number, table
from torch2hw.compiler.compiled import compile_model
from torch2hw.compiler.options import Options
from torch2hw.explore.measure import Point, json_text, read_points
from torch2hw.frontend.load_model import load
from torch2hw.sim.testbench import write_testbench
from torch2hw.tools.output import write_files

HERE = Path(__file__).resolve().parent
EXAMPLES = (
    "ffnn_batch1",
    "lstm",
    "transformer_layer",
    "mha16",
    "ffnn",
    "residual",
    "lenet5",
    "mha100",
    "cnn",
)
SIMULATORS = ("verilator", "icarus")
NO_LIMIT_CYCLES = 10_000_000
CYCLES_PER_TEST = {"verilator": 100_000, "icarus": 20_000}  # what takes five times as long is run once
TITLES = ("example", "cycles", *(f"{name}: benches, s" for name in SIMULATORS))


def flipped(found: re.Match[str]) -> str:
    """A constant with its highest exponent bit the other way round."""
    return f"{found[1]}{int(found[2], 16) ^ 1 << 30:08x};"


FAULTS: dict[str, tuple[str, str | Callable[[re.Match[str]], str]]] = {
    "a constant flipped": (r"(memory\[\d+\] = 32'h)([0-9a-f]{8});", flipped),
    "an address off by one": (r"assign (\w+_addr) = ([^;]+);", r"assign \g<1> = 1'b1 + (\g<2>);"),
    "a register missing": (r"stage2 <= stage1;", "stage2 <= in;"),
}


def main(arguments: list[str] | None = None) -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m torch2hw.benchmarks.testbenches", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--only", metavar="NAME", nargs="+", choices=EXAMPLES, default=EXAMPLES, help="these examples")
    parser.add_argument("--simulator", nargs="+", choices=SIMULATORS, default=SIMULATORS, help="these simulators")
    parser.add_argument("--no-faults", action="store_true", help="plant no faults")
    parser.add_argument("-o", "--output", type=Path, default=HERE, metavar="DIR", help="where the results are")
    parsed = parser.parse_args(arguments)
    parsed.output.mkdir(parents=True, exist_ok=True)
    file = parsed.output / "testbenches.json"
    points: dict[str, Point] = {point["model"]: point for point in read_points(file)}
    for name in parsed.only:
        with tempfile.TemporaryDirectory(prefix="torch2hw-") as folder:
            bench = Path(folder) / "bench"
            point = points.get(name, {"model": name}) | {"cycles": written(name, bench)}
            points[name] = point
            for simulator in parsed.simulator:
                print(f"{name}: {simulator}", file=sys.stderr, flush=True)
                point[simulator] = run(bench, simulator)
            if not parsed.no_faults:
                print(f"{name}: faults", file=sys.stderr, flush=True)
                point["faults"] = {fault: caught(bench, fault) for fault in FAULTS}
        found = [points[name] for name in EXAMPLES if name in points]
        write_files({file: json_text(found), parsed.output / "testbenches.md": markdown(found)})
    return 0


def written(name: str, bench: Path) -> int:
    """Makes the directory of an example's benches; the cycles of its design."""
    loaded = load(str(HERE.parent / "examples" / f"{name}.py"))
    compiled = compile_model(loaded, Options())
    write_testbench(compiled, loaded.example_inputs, bench)
    cycles: int = compiled.at("calyx").latency_cycles
    return cycles


def run(bench: Path, chosen: str) -> dict[str, Any]:
    """What pytest says of the chosen benches: how many passed, failed and were skipped, in how many seconds."""
    started = time.monotonic()
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "COCOTB"))}
    environment["ICARUS_CYCLES"] = str(NO_LIMIT_CYCLES)
    environment["CYCLES_PER_TEST"] = str(CYCLES_PER_TEST[chosen.split()[0]])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=report.xml", "-k", chosen]
    subprocess.run(command, cwd=bench, env=environment, capture_output=True, text=True)
    suite = ElementTree.parse(bench / "report.xml").getroot()[0].attrib
    total, skipped, failed = (int(suite[key]) for key in ("tests", "skipped", "failures"))
    failed += int(suite["errors"])
    told = {"passed": total - skipped - failed, "failed": failed, "skipped": skipped}
    return told | {"seconds": round(time.monotonic() - started)}


def caught(bench: Path, fault: str) -> bool | None:
    """Whether the bench of the whole design finds a fault by its results; None where the design has no place for it.

    The fault is planted where two thirds of the places have passed in which its pattern is found. (Halfway through an
    LSTM's constants are those of its first step, which meet a state of zeros.)
    """
    (source,) = json.loads((bench / "rtl" / "design.json").read_text())["files"]
    return fails(bench, source, planted((bench / "rtl" / source).read_text(), *FAULTS[fault]))


def planted(text: str, pattern: str, wrong: str | Callable[[re.Match[str]], str]) -> str | None:
    """The text with a fault in it, or None."""
    places = list(re.finditer(pattern, text))
    if not places:
        return None
    place = places[2 * len(places) // 3]
    replacement = wrong(place) if callable(wrong) else place.expand(wrong)
    return text[: place.start()] + replacement + text[place.end() :]


def fails(bench: Path, source: str, text: str | None) -> bool | None:
    """Whether a test of the whole design, on Verilator, runs and fails with this SystemVerilog."""
    if text is None:
        return None
    with tempfile.TemporaryDirectory(prefix="torch2hw-") as folder:
        faulty = Path(folder) / "bench"
        shutil.copytree(bench, faulty, ignore=shutil.ignore_patterns("build", "__pycache__"))
        (faulty / "rtl" / source).write_text(text)
        run(faulty, "verilator and top")
        results = faulty / "build" / "verilator" / "top" / "results.xml"
        return results.is_file() and "<failure" in results.read_text()


def markdown(points: Sequence[Mapping[str, Any]]) -> str:
    """The table: benches that passed of all, and the faults that were caught. What is wrong is bold."""
    rows = []
    for point in points:
        cells = [_benches(point.get(simulator)) for simulator in SIMULATORS]
        faults = point.get("faults", {})
        rows.append((point["model"], number(point["cycles"]), *cells, *(_caught(faults.get(name)) for name in FAULTS)))
    parts = [
        "# Testbenches",
        "Written by `python -m torch2hw.benchmarks.testbenches`: what `torch2hw testbench` writes for each example, "
        "N = 1, run on both simulators (the design, every kernel, every unit), and faults planted in the design.",
        table((*TITLES, *FAULTS), rows),
        "Designs and kernels of more than 500,000 cycles (on Icarus Verilog, 100,000) are run once, after a run that a "
        "reset ends; shorter ones with all sets of inputs, runs in a row, resets, and a host that writes and raises go "
        "meanwhile. The machine did other things, too, in those seconds.",
    ]
    return "\n\n".join(parts) + "\n"


def _benches(told: Mapping[str, Any] | None) -> str:
    if told is None:
        return "–"
    total = told["passed"] + told["failed"] + told["skipped"]
    text = f"{told['passed']} of {total} pass, {number(told['seconds'])} s"
    return text if told["passed"] == total else f"**{text}**"


def _caught(found: bool | None) -> str:
    return "–" if found is None else "caught" if found else "**missed**"


if __name__ == "__main__":
    sys.exit(main())

"""`python -m torch2hw.benchmarks.bus_faults`: faults planted in wrappers of streams and buses, and what finds them.

Each fault of bus_faults.toml is planted, alone, in the SystemVerilog of a ReLU with that interface; the bench that
`torch2hw testbench` writes for the right design then runs its random transactions, with stalls, errors and resets. It
must fail, and passes without a fault. Writes bus_faults.json and bus_faults.md after each fault; those that are not
planted this time (`--only`) stay as the record has them.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from torch2hw.benchmarks.generated_bench import run
from torch2hw.benchmarks.tables import table
from torch2hw.compiler.compiled import Compiled
from torch2hw.design import compile
from torch2hw.explore.measure import Point, json_text, read_points
from torch2hw.sim.testbench import write_testbench
from torch2hw.tools.output import write_files

HERE = Path(__file__).resolve().parent
TOP, INPUTS = "relu", (torch.arange(-10.0, 11.0).reshape(3, 7),)
TITLES = ("fault", "interface", "found by", "what it says")
SAID = re.compile(r"AssertionError: .*|Assertion failed in \S+: .*|SimTimeoutError.*")
FAILED = re.compile(r"\*\* cocotest_\w+\.(\w+) +FAIL ")


@dataclass(frozen=True)
class Fault:
    """`old` becomes `new` in a module of the wrapper, TOP_`module`; `register` then starts as 0, and without `old` the
    line that clears it in a reset is gone."""

    kind: str
    interface: str
    module: str
    old: str = ""
    new: str = ""
    register: str = ""

    def planted(self, verilog: str) -> str:
        """The design with the fault. Raises ValueError where there is not one place for it."""
        start = verilog.find(f"module {TOP}_{self.module}(")
        end = verilog.find("endmodule", start)
        text = verilog[start:end]
        if self.old:
            found = text.count(self.old)
            text = text.replace(self.old, self.new)
        else:
            text, found = re.subn(rf"(?m)^ +{self.register} <= \d+'h0;\n", "", text)
        if start < 0 or found != 1:
            raise ValueError(f"{self.kind}: {found} places in module {TOP}_{self.module}")
        if self.register:
            text = text.replace("  always_ff", f"  initial {self.register} = 0;\n  always_ff", 1)
        return verilog[:start] + text + verilog[end:]


def faults() -> list[Fault]:
    """Those of bus_faults.toml, in order."""
    return [Fault(**each) for each in tomllib.loads((HERE / "bus_faults.toml").read_text())["fault"]]


def design(interface: str) -> Compiled:
    """What faults are planted in."""
    return compile(torch.nn.ReLU(), INPUTS, interface=interface, data_bits=32, top=TOP).compiled


def bench(compiled: Compiled, folder: Path) -> Path:
    """Makes the test bench of the right design; the file of its SystemVerilog."""
    write_testbench(compiled, INPUTS, folder)
    return folder / "rtl" / f"{TOP}.sv"


@contextmanager
def with_fault(source: Path, fault: Fault) -> Iterator[None]:
    """The fault is planted meanwhile."""
    right = source.read_text()
    source.write_text(fault.planted(right))
    try:
        yield
    finally:
        source.write_text(right)


def measured(folder: Path, source: Path, fault: Fault, transactions: int) -> Point:
    """The fault's row of the record: the tests that fail, and the first thing that the bench says."""
    with with_fault(source, fault):
        ran = run(folder, "verilator", transactions)
    failed = list(dict.fromkeys(FAILED.findall(ran.stdout)))
    said = SAID.search(ran.stdout)
    if ran.returncode != 0 and (said is None or not failed):
        raise RuntimeError(f"{fault.kind}:\n{ran.stdout[-5000:]}")
    return {
        "kind": fault.kind,
        "interface": fault.interface,
        "transactions": transactions,
        "found_by": failed,
        "said": said[0].split(": ", 1)[-1] if said and failed else "",
    }


def text_of(points: Sequence[Point]) -> str:
    """The record as Markdown."""
    found = sum(bool(point["found_by"]) for point in points)
    rows = [
        (point["kind"], point["interface"], ", ".join(point["found_by"]) or "**nothing**", point["said"])
        for point in sorted(points, key=lambda point: point["interface"] != "axis")
    ]
    return (
        "# Faults planted in wrappers\n\nWritten by `python -m torch2hw.benchmarks.bus_faults`: the bench that "
        "`torch2hw testbench` writes for a ReLU, under Verilator, with a fault in the design. "
        f"{len(points)} were planted, one at a time, and {found} found.\n\n" + table(TITLES, rows)
    )


def main(arguments: list[str] | None = None) -> int:
    """Plant, run, and write after every fault. 1 where a fault is not found."""
    parser = argparse.ArgumentParser(
        prog="python -m torch2hw.benchmarks.bus_faults", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--only", metavar="TEXT", default="", help="faults whose kind or interface contains this")
    parser.add_argument("--transactions", type=int, default=200, metavar="N", help="random transactions of each (200)")
    parser.add_argument("-o", "--output", type=Path, default=HERE, metavar="DIR", help="where the record is")
    parsed = parser.parse_args(arguments)
    every = faults()
    chosen = [fault for fault in every if parsed.only in f"{fault.interface}: {fault.kind}"]
    known = {point["kind"]: point for point in read_points(parsed.output / "bus_faults.json")}
    for interface in dict.fromkeys(fault.interface for fault in chosen):
        folder = Path(tempfile.mkdtemp(prefix="torch2hw-"))
        try:
            source = bench(design(interface), folder / "bench")
            if (ran := run(folder / "bench", "verilator", parsed.transactions)).returncode != 0:
                raise RuntimeError(f"{interface}: the bench fails without a fault\n{ran.stdout[-5000:]}")
            for fault in [fault for fault in chosen if fault.interface == interface]:
                known[fault.kind] = point = measured(folder / "bench", source, fault, parsed.transactions)
                print(f"{interface}: {fault.kind}: {point['said'] or 'NOT FOUND'}", flush=True)
                points = [known[each.kind] for each in every if each.kind in known]
                record = {"bus_faults.json": json_text(points), "bus_faults.md": text_of(points)}
                write_files({parsed.output / name: text for name, text in record.items()})
        finally:
            shutil.rmtree(folder)
    return int(any(not known[fault.kind]["found_by"] for fault in chosen))


if __name__ == "__main__":
    sys.exit(main())

"""Proof that modules compute the same: Yosys reads their SystemVerilog, and ABC (which comes with it) merges what is
equal by SAT sweeping; a difference whose output became the constant 0 is proved never to be 1.

Yosys elaborates, flattens and maps to and-inverter graphs; ABC unrolls registers from any contents, sweeps
(`&fraig`), and writes what is left. Nothing is assumed about the inputs. A difference that is not proved is either real
or beyond the effort of the sweep.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from torch2hw.tools.yosys import run_scripts, script

from .export import verilog
from .unit import Unit

_PYOSYS = find_spec("pyosys")  # not imported: a process with Yosys' library in it aborts when it loads MLIR's
assert _PYOSYS is not None and _PYOSYS.origin is not None
ABC = Path(_PYOSYS.origin).parent / "yosys-abc"
CONFLICTS = 20_000  # of one SAT question
MAX_SECONDS = 60  # of a sweep: then nothing is proved


def never(modules: str, top: str, cycle: int = 0, conflicts: int = CONFLICTS) -> list[bool]:
    """For each output of `top` (a bit each), in order: whether it is proved to be 0 in that cycle, counted from 0,
    whatever the inputs and the first contents of the registers. `modules` is CIRCT text.
    """
    to_aiger = script(
        f"read_slang design.sv --top {top}",
        f"hierarchy -check -top {top}",
        "proc",
        "flatten",
        "memory -nomap",
        "memory_map -rom-only",
        "opt -full",
        "techmap",
        "opt -fast",
        "dffunmap",
        "aigmap",
        "write_aiger design.aig",
    )
    sweep = f"frames -F {cycle + 1}; " if cycle else ""
    commands = f"read_aiger design.aig; {sweep}strash; &get; &fraig -y -C {conflicts}; &put; write_aiger proved.aig"
    with TemporaryDirectory(prefix="torch2hw-") as temporary:
        (folder,) = run_scripts({"design.sv": verilog(modules)}, [to_aiger], Path(temporary))
        outputs = len(_outputs(folder / "design.aig"))
        try:
            subprocess.run([ABC, "-q", commands], cwd=folder, capture_output=True, check=True, timeout=MAX_SECONDS)
        except subprocess.TimeoutExpired:
            return [False] * outputs
        return [literal == 0 for literal in _outputs(folder / "proved.aig")[cycle * outputs :]]


def _outputs(file: Path) -> list[int]:
    """The literals of an AIGER file's outputs: 0 is the constant. ABC lists a cycle's outputs after the former's."""
    header, *lines = file.read_bytes().split(b"\n")
    _, _, _, latches, outputs = header.split()[:5]
    first = int(latches)  # a line each
    return [int(line) for line in lines[first : first + int(outputs)]]


def same(unit: Unit, others: Sequence[Unit], conflicts: int = CONFLICTS) -> list[bool]:
    """Which of `others`, combinational and with the ports of `unit`, are proved to compute what `unit` does."""
    ports = ", ".join(f"in %{p.name}: i{p.width_bits}" for p in unit.inputs)
    uses = ", ".join(f"{p.name}: %{p.name}: i{p.width_bits}" for p in unit.inputs)
    width, names = unit.output.width_bits, [f"%d{k}" for k in range(len(others))]
    lines = [f'%expected = hw.instance "unit" @{unit.name}({uses}) -> (out: i{width})']
    for number, other in enumerate(others):
        lines.append(f'%o{number} = hw.instance "other{number}" @{other.name}({uses}) -> (out: i{width})')
        lines.append(f"%d{number} = comb.icmp ne %expected, %o{number} : i{width}")
    lines.append(f"hw.output {', '.join(names)} : {', '.join(['i1'] * len(names))}")
    body = "".join(f"  {line}\n" for line in lines)
    outputs = ", ".join(f"out d{k}: i1" for k in range(len(others)))
    modules = unit.definition() + "".join(other.definition() for other in others)
    return never(f"{modules}hw.module @miter({ports}, {outputs}) {{\n{body}}}\n", "miter", 0, conflicts)

"""A proof, by induction, of what `protocol_checks` asserts about a wrapper: with Yosys's SMT back end, and z3.

The core is taken out: its outputs are anything at any time, so what holds, holds for every core with these ports. The
other sides of the channels are anything too; of an axi design, memory is assumed not to send the last beat of a run's
inputs before it has accepted the request for it. `BASE`: the assertions hold from a reset on; `STEP`: where they hold
in DEPTH cycles they hold in the next one.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from torch2hw.dialects.interface import Interface
from torch2hw.dialects.loops import Buffer
from torch2hw.dialects.stream_interface import RESET
from torch2hw.sim.protocol_checks import protocol_checks
from torch2hw.tools.errors import InternalError, MissingTool
from torch2hw.tools.processes import Command, run_all
from torch2hw.tools.yosys import PROGRAM

DEPTH = 3  # Yosys writes down in one cycle what it asserts in the next
SCRIPT = """\
read_slang design.sv checks.sv --top {top} --blackboxed-module {core}
hierarchy -top {top}
proc
flatten
cutpoint -blackbox
async2sync
chformal -lower
opt -full
memory -nomap -nordff
dffunmap
setundef -anyseq
opt_clean
write_smt2 -wires design.smt2
"""
INSIDE = """\
module {top}_implies(input clk, premise, conclusion);
  always @(posedge clk) assert (!premise || conclusion);
endmodule
module {top}_never(input clk, what);
  always @(posedge clk) assume (!what);
endmodule
bind {top}_reader {top}_implies asking_is_busy(.clk(clk), .premise(asking), .conclusion(busy));
bind {top}_reader {top}_never fetched_unasked(.clk(clk), .what(asking && fetched));
bind {top}_writer {top}_implies any_is_writing(.clk(clk), .premise(asking || sending || more), .conclusion(writing));
"""


def proof(verilog: str, top: str, core: str, interface: Interface, tensors: Sequence[Buffer]) -> Mapping[str, bool]:
    """Whether each half of the proof holds. Raises MissingTool without z3, InternalError where Yosys fails."""
    try:
        import z3
    except ImportError:
        raise MissingTool("a proof needs z3, which is not installed", fix="pip install z3-solver") from None
    found = {}
    for name, text in questions(smt2(verilog, top, core, interface, tensors), top).items():
        solver = z3.SolverFor("QF_AUFBV")
        solver.from_string(text)
        found[name] = solver.check() == z3.unsat
    return found


def smt2(verilog: str, top: str, core: str, interface: Interface, tensors: Sequence[Buffer]) -> str:
    """What Yosys writes about the wrapper and the assertions."""
    checks = protocol_checks(top, interface, tensors, "proof")
    if interface.name == "axi":
        checks += INSIDE.format(top=top)
    with tempfile.TemporaryDirectory(prefix="torch2hw-") as name:
        folder = Path(name)
        (folder / "design.sv").write_text(verilog)
        (folder / "checks.sv").write_text(checks)
        (folder / "script.ys").write_text(SCRIPT.format(top=top, core=core))
        command: Command = [sys.executable, "-c", PROGRAM, "."]
        ((status, output),) = run_all([command], folder, 1)
        if status != 0 or not (folder / "design.smt2").is_file():
            raise InternalError(f"Yosys failed:\n{output[-2000:]}")
        return (folder / "design.smt2").read_text()


def questions(text: str, top: str) -> dict[str, str]:
    """The SMT-LIB of both halves, unsatisfiable where they hold."""
    assert re.search(rf"\(define-fun \|{top}_a\| ", text), "the design has assertions"
    states = [f"s{k}" for k in range(DEPTH + 1)]
    lines = [text]
    for state in states:
        lines += [
            f"(declare-fun {state} () |{top}_s|)",
            f"(assert (|{top}_h| {state}))",
            f"(assert (|{top}_u| {state}))",
        ]
    lines += [f"(assert (|{top}_t| {one} {other}))" for one, other in pairwise(states)]
    holds = [f"(|{top}_a| {state})" for state in states]
    begun = f"(assert (|{top}_i| s0))\n(assert (not (|{top}_n {RESET.name}| s0)))"
    wrong = " ".join(f"(not {each})" for each in holds[2:])
    kept = "\n".join(f"(assert {each})" for each in holds[:-1])
    ends = {"base": f"{begun}\n(assert (or {wrong}))", "step": f"{kept}\n(assert (not {holds[-1]}))"}
    return {name: "\n".join([*lines, end]) for name, end in ends.items()}

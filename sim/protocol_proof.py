"""A proof, for all cycles, of what `protocol_checks` asserts about a wrapper: with Yosys and ABC.

ABC's `pdr`, property directed reachability, finds the invariants itself.

The core is taken out: its outputs are anything at any time, so what holds, holds for every core with these ports. The
other sides of the channels are anything too, and so are the contents of memories and all registers before a reset; of
an axi design, memory is assumed not to send the last beat of a run's inputs before it has accepted the request for it.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from torch2hw.dialects.interface import Interface
from torch2hw.dialects.loops import Buffer
from torch2hw.sim.protocol_checks import protocol_checks
from torch2hw.tools.errors import InternalError
from torch2hw.tools.processes import Command, run_all
from torch2hw.tools.yosys import PROGRAM

MAX_SECONDS = 600
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
cutpoint t:$mem_v2
setundef -undriven -anyseq
opt -full
techmap
opt -fast
formalff -clk2ff -ff2anyinit
simplemap
dffunmap
delete -output
aigmap
opt_clean
write_aiger -I -B -zinit -no-startoffset design.aig
"""
ASSUMED = """\
module {top}_never(input clk, reset, what);
  reg known = 1'b0;
  always @(posedge clk) if (reset) known <= 1'b1;
  always @(posedge clk) assume (!known || reset || !what);
endmodule
bind {top}_reader {top}_never fetched_unasked(.clk(clk), .reset(reset), .what(asking && fetched));
"""
BURSTS = """\
module {top}_bursts(
  input clk, reset, asking, sending, awready, wvalid, wready, wlast, input [7:0] awlen, beats_left
);
  reg known = 1'b0;
  reg asked;
  reg [8:0] left;
  wire [8:0] now = asking && !asked ? {{1'b0, awlen}} + 9'd1 : left;
  always @(posedge clk) begin
    if (reset) known <= 1'b1;
    asked <= !reset && asking && !awready;
    left <= reset ? 9'd0 : wvalid && wready && now != 0 ? now - 9'd1 : now;
    if (known && !reset) begin
      assert (now == (sending ? {{1'b0, beats_left}} + 9'd1 : 9'd0));
      if (wvalid) assert (now > 0 && wlast == (now == 1));
    end
  end
endmodule
bind {top}_writer {top}_bursts bursts(
  .clk(clk), .reset(reset), .asking(asking), .sending(sending), .awready(awready), .wvalid(wvalid), .wready(wready),
  .wlast(wlast), .awlen(awlen), .beats_left(beats_left)
);
"""
"""`wlast` is in the last beat of a burst alone: of the writer, whose ports are the bus, with the invariant."""
ANSWERS = {"Property proved": True, "was asserted in frame": False}


def proof(verilog: str, top: str, core: str, interface: Interface, tensors: Sequence[Buffer]) -> bool:
    """Whether all assertions hold in every cycle after a reset; False: some run violates one.

    Raises InternalError where Yosys fails, or nothing is decided in MAX_SECONDS.
    """
    checks = protocol_checks(top, interface, tensors, "proof")
    if interface.name != "axi":
        return _holds(verilog, top, core, checks)
    bursts = BURSTS.format(top=top)
    return _holds(verilog, top, core, checks + ASSUMED.format(top=top)) and _holds(verilog, top, core, bursts)


def _holds(verilog: str, top: str, core: str, checks: str) -> bool:
    with tempfile.TemporaryDirectory(prefix="torch2hw-") as name:
        folder = Path(name)
        (folder / "design.sv").write_text(verilog)
        (folder / "checks.sv").write_text(checks)
        (folder / "script.ys").write_text(SCRIPT.format(top=top, core=core))
        command: Command = [sys.executable, "-c", PROGRAM, "."]
        ((status, output),) = run_all([command], folder, 1)
        if status != 0 or not (folder / "design.aig").is_file():
            raise InternalError(f"Yosys failed:\n{output[-2000:]}")
        command = [_abc(), "-c", f"read_aiger design.aig; fold -s; strash; pdr -T {MAX_SECONDS}"]
        ((_, output),) = run_all([command], folder, 1)
    for said, holds in ANSWERS.items():
        if said in output:
            return holds
    raise InternalError(f"ABC decides nothing:\n{output[-2000:]}")


def _abc() -> Path:
    """The program, which comes with Yosys. Its package is not imported: it ends processes."""
    found = find_spec("pyosys")
    assert found is not None and found.origin is not None
    return Path(found.origin).parent / "yosys-abc"

"""A design in a bench of Verilog, run by Icarus Verilog: every register and memory is X until it is written or reset.

The bench executes the same script as bench.cpp (which describes the operations) and gives the same answers, in lines of
hexadecimal words. It reports an X that a host would see, in `done` after the first reset or in a result: such an X
comes from state that nothing initialised. Icarus is an interpreter: it runs tens to thousands of cycles a second,
without assertions.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from torch2hw.analysis.stored_arrays import Words
from torch2hw.sim.manifest import Manifest, TensorPort
from torch2hw.tools.errors import CheckError, InternalError
from torch2hw.tools.processes import Command, require, run_all

INSTALL = "apt-get install iverilog (Debian, Ubuntu), or your system's package of Icarus Verilog"


def build(work: Path, directory: Path, manifest: Manifest, script: Words) -> Command:
    """Writes and compiles the bench in `work`; the command that runs it, to be started beside the memory files.

    It leaves its answers in `work`/results. Raises MissingTool without Icarus, InternalError where Icarus refuses the
    design.
    """
    compiler, runner = (require(name, "simulation from unknown state", INSTALL) for name in ("iverilog", "vvp"))
    (work / "script").write_text("".join(f"{int(word):x}\n" for word in script))
    (work / "bench.v").write_text(bench(manifest, work / "script", work / "results"))
    sources = [(directory / file).resolve() for file in manifest.files]
    command: Command = [compiler, "-g2012", "-s", "bench", "-o", "bench.vvp", "bench.v", *sources]
    ((status, output),) = run_all([command], work, 1)
    if status != 0:
        raise InternalError(f"Icarus Verilog refused the generated SystemVerilog:\n{output}")
    return [runner, "-n", work / "bench.vvp"]


def answers(results: Path, manifest: Manifest, repeats: int) -> Words:
    """The answers to the script. Raises CheckError where one has unknown bits, naming the element."""
    lines = results.read_text().split()
    for at, line in enumerate(lines):
        if set(line) & set("xzXZ"):
            raise CheckError(
                f"{_place(manifest, repeats, at)} has unknown bits (0x{line})",
                why="it comes from state that is neither reset nor written before it is used",
            )
    return np.array([int(line, 16) for line in lines], np.uint64)


def _place(manifest: Manifest, repeats: int, at: int) -> str:
    """Which element of which set of inputs' run an answer is."""
    sizes = [int(np.prod(port.shape)) for port in manifest.observed]
    number, at = divmod(at, repeats + sum(sizes))
    at -= repeats
    for port, size in zip(manifest.observed, sizes, strict=True):
        if at < size:
            index = ", ".join(str(int(i)) for i in np.unravel_index(at, port.shape))
            return f"{port.name}[{index}] of run {number}"
        at -= size
    raise AssertionError("more answers than elements")


def bench(manifest: Manifest, script: Path, results: Path) -> str:
    """The text of the bench."""
    inputs, outputs = manifest.driven, manifest.observed
    ports = [f".{name}({ours})" for name, ours in _connections(manifest)]
    drive = [f"i{k}_address = address; i{k}_data = data; i{k}_enable = 1;" for k in range(len(inputs))]
    select = [f"o{k}_address = address; o{k}_enable = 1;" for k in range(len(outputs))]
    return f"""\
module bench;
  reg clk = 0, reset = 0, go = 0;
  wire done;
{_declared(inputs, outputs)}
  {manifest.top} dut ({", ".join(ports)});

  reg [63:0] operation, address, data, seen, tensor, count, latency, budget, mode, seed, sampled, elapsed, i, cycles;
  reg finished, started;
  integer script, results, read;

  always @*
    case (tensor)
{_cases([f"seen = o{k}_data;" for k in range(len(outputs))])}
      default: seen = 0;
    endcase

  task take(output [63:0] word);
    begin
      read = $fscanf(script, "%h", word);
      if (read != 1) $finish_and_return(2);
    end
  endtask

  task cycle;
    begin
      #1 finished = done === 1'b1;
      if (started && done === 1'bx) $display("violation: done is unknown in cycle %0d of the simulation", cycles);
      sampled = seen;
      clk = 1;
      #1 clk = 0;
      cycles = cycles + 1;
    end
  endtask

  task quiet_cycle;
    begin
      cycle;
      if (finished) $display("violation: done is high in cycle %0d of the simulation, between runs", cycles - 1);
    end
  endtask

  task drive;
    case (tensor)
{_cases(drive)}
    endcase
  endtask

  task release_inputs;
    begin
{_released("i", len(inputs))}
    end
  endtask

  task run;
    begin
      take(latency); take(budget); take(mode); take(seed);
      $display("run %0d", cycles);
      go = 1;
      cycle;
      if (mode != 1) go = 0;
      elapsed = 0;
      while (!finished) begin
        elapsed = elapsed + 1;
        if (elapsed > budget) begin
          $display("timeout: done did not come within %0d cycles of go", budget);
          $finish_and_return(3);
        end
        if (mode == 2) go = elapsed + 1 < latency && $urandom % 2 == 1;
        if (seed != 0) begin
          release_inputs;
          tensor = $urandom % {max(1, len(inputs))};
          address = $urandom;
          data = {{$urandom, $urandom}};
          if (elapsed < latency) drive;
        end
        cycle;
        if (elapsed % 1024 == 0) begin
          $display("progress %0d", cycles);
          $fflush;
        end
      end
      go = 0;
      if (latency != 0 && elapsed != latency)
        $display("violation: done came %0d cycles after go, latency_cycles is %0d", elapsed, latency);
      $fdisplay(results, "%h", elapsed);
    end
  endtask

  initial begin
    script = $fopen("{script}", "r");
    results = $fopen("{results}", "w");
    started = 0;
    cycles = 0;
    read = $fscanf(script, "%h", operation);
    while (read == 1) begin
      case (operation)
        1: begin  // reset
          take(count);
          reset = 1;
          for (i = 0; i < count; i = i + 1) cycle;
          reset = 0;
          started = 1;
        end
        2: begin  // idle
          take(count);
          for (i = 0; i < count; i = i + 1) quiet_cycle;
        end
        3: begin  // write
          take(tensor); take(count);
          for (i = 0; i < count; i = i + 1) begin
            take(address); take(data);
            drive;
            quiet_cycle;
          end
          release_inputs;
        end
        4: run;
        5: begin  // start
          take(count);
          for (i = 0; i < count; i = i + 1) begin
            go = i == 0;
            quiet_cycle;
          end
          go = 0;
        end
        6: begin  // read
          take(tensor); take(count);
          for (i = 0; i <= count; i = i + 1) begin
            if (i < count) begin
              take(address);
              case (tensor)
{_cases(select, 8)}
              endcase
            end else begin
{_released("o", len(outputs), 7)}
            end
            quiet_cycle;
            if (i != 0) $fdisplay(results, "%h", sampled);
          end
        end
        default: $finish_and_return(2);
      endcase
      read = $fscanf(script, "%h", operation);
    end
    quiet_cycle;
    $fclose(results);
    $finish_and_return(0);
  end
endmodule
"""


def _connections(manifest: Manifest) -> list[tuple[str, str]]:
    """The design's ports and the bench's names of them."""
    pairs = [(manifest.clock, "clk"), (manifest.reset, "reset"), (manifest.start, "go"), (manifest.finish, "done")]
    for kind, ports in (("i", manifest.driven), ("o", manifest.observed)):
        for k, port in enumerate(ports):
            names = (port.address_port, port.data_port, port.enable_port)
            pairs += zip(names, (f"{kind}{k}_address", f"{kind}{k}_data", f"{kind}{k}_enable"), strict=True)
    return pairs


def _declared(inputs: Sequence[TensorPort], outputs: Sequence[TensorPort]) -> str:
    lines = []
    for kind, ports, data in (("i", inputs, "reg"), ("o", outputs, "wire")):
        for k, port in enumerate(ports):
            lines.append(f"  reg [{port.address_bits - 1}:0] {kind}{k}_address;")
            lines.append(f"  reg {kind}{k}_enable = 0;")
            lines.append(f"  {data} [{port.width_bits - 1}:0] {kind}{k}_data;")
    return "\n".join(lines)


def _cases(bodies: Sequence[str], depth: int = 3) -> str:
    return "\n".join(f"{'  ' * depth}{k}: begin {body} end" for k, body in enumerate(bodies))


def _released(kind: str, count: int, depth: int = 3) -> str:
    return "\n".join(f"{'  ' * depth}{kind}{k}_enable = 0;" for k in range(count))

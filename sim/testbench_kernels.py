"""Benches of single kernels: each with the memories and shared units that it uses, and the contents of these memories
before and after a run.

The first contents come from running the program on the CPU up to and including the kernel, with every buffer as an
output; of a kernel in rounds, the first round is run. Further contents are numbers of any size and special values,
whether or not the program can compute them. Only the kernel runs on them: of a kernel in rounds, the following rounds.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from torch2hw.analysis.reference import Reference
from torch2hw.analysis.stored_arrays import Array, as_stored, to_words
from torch2hw.analysis.unit_binding import operand_register_cycles, shared_name
from torch2hw.compiler.compiled import Compiled
from torch2hw.dialects.bank_ports import bank_ports
from torch2hw.dialects.interface import CONTROL
from torch2hw.dialects.loops import Buffer, Kernel, Load, Loop, Stage, Store
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.program import Node, Program
from torch2hw.dialects.quasi_affine import Variable, variable
from torch2hw.dialects.storage import INPUT
from torch2hw.dialects.substitution import one_round, with_buffers
from torch2hw.hwlib.memories import address_bits
from torch2hw.lowering.static.kernel_component import KernelComponent
from torch2hw.sim.banked import pack
from torch2hw.sim.free_inputs import confined_buffers
from torch2hw.sim.pass_checker import contents_after
from torch2hw.sim.stimulus import finite_edges, of_any_size, special_edges, sprinkled

Contents = dict[Buffer, Array]
SHARES = ((finite_edges, 0.05), (special_edges, 0.02))  # of the other contents: edges among numbers of any size


def kernel_benches(compiled: Compiled, inputs: list[Array], random: np.random.Generator) -> tuple[dict[str, Any], str]:
    """Kernel name → its latencies and its memories' contents; and the SystemVerilog of the modules `bench_KERNEL`."""
    program, circuits = compiled.at("scheduled"), compiled.at("calyx").circuits
    packed = [pack(array, buffer.bank_factors) for buffer, array in zip(program.inputs, inputs, strict=True)]
    given = dict(zip(program.inputs, packed, strict=True))
    subnormals = compiled.options.subnormals
    benches: dict[str, Any] = {}
    modules = []
    ran: list[Node] = []
    state = given  # when those have run
    for circuit in circuits:
        done = nodes_before(program, circuit.kernel)
        before = state if done == ran else given | contents_after(program, done, packed, subnormals)
        ran = [*done, one_round(circuit.kernel, 0)]
        state = given | contents_after(program, ran, packed, subnormals)
        runs = [(before, state)]
        kept = any(buffer.storage.is_scratch for buffer in confined_buffers(circuit.kernel))
        alone = circuit.kernel.rounds > 1 and kept  # what later rounds find there is not known
        for number_of_run, (edges, part) in enumerate(SHARES if not alone else (), start=1):
            kernel = one_round(circuit.kernel, number_of_run % circuit.kernel.rounds)
            other = _other_contents(kernel, before, edges, part, random)
            runs.append((other, other | contents_after_alone(program, kernel, other, subnormals)))
        benches[circuit.component.name] = {
            "latency_cycles": circuit.control_cycles,  # from go to done
            "settle_cycles": max(0, circuit.latency_cycles - circuit.control_cycles),  # until the last store is over
            "memories": {bank_ports(buffer, bank).stem: buffer.dtype for buffer, bank in circuit.ports.banks()},
            "runs": [
                [
                    {bank_ports(buffer, bank).stem: _bank(each, buffer, bank) for buffer, bank in circuit.ports.banks()}
                    for each in run
                ]
                for run in runs
            ],
        }
        modules.append(bench_module(circuit))
    return benches, "\n".join(modules)


def nodes_before(program: Program, wanted: Kernel) -> list[Node]:
    """What has run when a kernel starts for the first time: of the rounds that it is in, a part of the first."""
    done: list[Node] = []
    for node in program.sequence:
        kernels = list(node.kernels)
        if any(kernel.name == wanted.name for kernel in kernels):
            names = [kernel.name for kernel in kernels]
            return [*done, *(one_round(kernel, 0) for kernel in kernels[: names.index(wanted.name)])]
        done.append(node)
    raise AssertionError(f"{wanted.name} is no kernel of {program.name}")


def _other_contents(kernel: Kernel, before: Contents, edges: Any, part: float, random: np.random.Generator) -> Contents:
    """What the buffers of a kernel may hold; those that say places, divisors and amounts of shifts hold what they
    did."""
    contents = {}
    confined = confined_buffers(kernel)
    for buffer in sorted((b for b in kernel.buffers() if b.data is None), key=lambda b: b.name):
        if buffer in confined:
            contents[buffer] = before.get(
                buffer, pack(np.zeros(buffer.shape, number_type(buffer.dtype).stored), buffer.bank_factors)
            )
        else:
            numbers = of_any_size(buffer.dtype, buffer.shape, random)
            numbers = sprinkled(numbers, buffer.dtype, part, edges(buffer.dtype), random)
            contents[buffer] = pack(numbers, buffer.bank_factors)
    return contents


def contents_after_alone(program: Program, kernel: Kernel, before: Contents, subnormals: str) -> Contents:
    """What the buffers that `kernel` writes hold when it has run on these contents, all in their banks."""
    written = tuple(dict.fromkeys(store.buffer for store in kernel.stores()))
    given = {buffer: replace(buffer, name=f"{buffer.name}_before", storage=INPUT) for buffer in before}
    copies = [_copy(f"copy{number}", given[buffer], buffer) for number, buffer in enumerate(written)]
    reading = with_buffers(kernel, {buffer: given[buffer] for buffer in before if buffer not in written})
    alone = program.with_ports(tuple(given.values()), written).with_sequence([*copies, reading])
    alone = replace(alone, level="affine")  # copies have no schedule
    results = Reference(alone.text(), subnormals).run(list(before.values()))
    return {buffer: as_stored(array, buffer.dtype) for buffer, array in zip(written, results, strict=True)}


def _copy(name: str, source: Buffer, target: Buffer) -> Kernel:
    loops = tuple(Loop(Variable(f"{name}_{axis}", size)) for axis, size in enumerate(target.shape))
    indices = tuple(variable(loop.variable) for loop in loops)
    stage = Stage((), (Load("word", source.value_type, source, indices),), (Store(target, indices, "word"),))
    return Kernel(name, loops, (stage,))


def _bank(state: Contents, buffer: Buffer, bank: int) -> list[str]:
    width = number_type(buffer.dtype).bits
    stored = state.get(buffer)
    if buffer.data is not None:
        return [f"{int(word):0{-(-width // 4)}x}" for word in buffer.data]
    words = np.zeros(buffer.bank_elements, np.uint64)
    if stored is not None:
        words = to_words(stored, buffer.dtype).reshape(buffer.banks, buffer.bank_elements)[bank]
    return [f"{word:0{-(-width // 4)}x}" for word in words.tolist()]


def delayed(target: str, value: str, data: str, cycles: int) -> list[str]:
    """The wire `target` is `value` so many cycles later."""
    stages = [value, *(f"{target}_{stage}" for stage in range(1, cycles + 1))]
    lines = [f"  reg {data} {stage};" for stage in stages[1:]]
    for before, after in pairwise(stages):
        lines.append(f"  always @(posedge clk) {after} <= {before};")
    return [*lines, f"  assign {target} = {stages[-1]};"]


def bench_module(circuit: KernelComponent) -> str:
    """`bench_KERNEL`: clk, reset, go, done outside; memories as arrays by their bank's name inside."""
    name = circuit.component.name
    body: list[str] = []
    control = (CONTROL.clock, CONTROL.reset, CONTROL.start, CONTROL.finish)
    ports = [f".{port.name}({ours})" for port, ours in zip(control, ("clk", "reset", "go", "done"), strict=True)]
    for buffer, bank in circuit.ports.banks():
        names, data = bank_ports(buffer, bank), f"[{buffer.width_bits - 1}:0]"
        address = f"[{address_bits(buffer.bank_elements) - 1}:0]"
        body.append(f"  reg {data} {names.stem} [0:{buffer.bank_elements - 1}];")
        if (buffer, bank) in circuit.ports.reads:
            body += [f"  wire {address} {names.address};", f"  wire {data} {names.data};"]
            body += delayed(names.data, f"{names.stem}[{names.address}]", data, buffer.storage.read_latency_cycles)
            ports += [f".{name}({name})" for name in (names.address, names.data)]
        if (buffer, bank) in circuit.ports.writes:
            enable, place, word = names.write_enable, names.write_address, names.write_data
            body += [f"  wire {address} {place};", f"  wire {data} {word};", f"  wire {enable};"]
            body.append(f"  always @(posedge clk) if ({enable}) {names.stem}[{place}] <= {word};")
            ports += [f".{name}({name})" for name in (place, word, enable)]
    for shared in circuit.shared:
        unit = shared.hardware
        stem = shared_name(unit, shared.number)
        clock = [".clk(clk)"] if unit.latency_cycles else []
        given = (*unit.inputs, *unit.controls)
        connections = [*clock, *(f".{port.name}({stem}_{port.name}_in)" for port in given), f".out({stem}_out)"]
        body += [f"  wire [{port.width_bits - 1}:0] {stem}_{port.name};" for port in (*given, unit.output)]
        for port in given:
            data, operand = f"[{port.width_bits - 1}:0]", f"{stem}_{port.name}"
            body.append(f"  wire {data} {operand}_in;")
            body += delayed(f"{operand}_in", operand, data, operand_register_cycles(unit))
        body.append(f"  {unit.name} {stem}_unit ({', '.join(connections)});")
        ports += [f".{stem}_{port.name}({stem}_{port.name})" for port in (*given, unit.output)]
    lines = [f"module bench_{name} (input wire clk, input wire reset, input wire go, output wire done);", *body]
    lines += [f"  {name} kernel (", ",\n".join(f"    {port}" for port in ports), "  );", "endmodule", ""]
    return "\n".join(lines)

"""Storage classes: the documented table is the records, and the memories that are built for them behave as it says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.lowering.clocked_bench import run
from torch2hw.analysis.reference import Reference
from torch2hw.dialects import storage
from torch2hw.dialects.loops import Buffer, Kernel, Load, Loop, Operation, Stage, Store
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Variable, variable
from torch2hw.dialects.storage import (
    CARRIED,
    CLASSES,
    EXTERNAL,
    INPUT,
    MADE,
    OUTPUT,
    RAM,
    ROM,
    SHARED_ROM,
    STATE,
    Place,
    Storage,
)
from torch2hw.hwlib import Library
from torch2hw.hwlib.contents import fill_verilog
from torch2hw.hwlib.export import verilog
from torch2hw.hwlib.memories import Memory, address_bits, ram, rom, state_ram
from torch2hw.lowering.hardware import calyx_to_hw, hw_to_sv
from torch2hw.lowering.manifest import manifest
from torch2hw.lowering.static import affine_to_scheduled, scheduled_to_calyx
from torch2hw.sim.manifest import Manifest
from torch2hw.sim.simulation import Conditions, simulate

WORDS = 6


def documented() -> Iterator[tuple[str, list[str]]]:
    """The rows of the table in the module's docstring, by class."""
    assert storage.__doc__ is not None
    table = storage.__doc__.split("\n\n")[1].splitlines()
    for row in table[2:]:
        name, *columns = row.split()
        yield name, columns


def columns(record: Storage) -> list[str]:
    """A record as the table shows it."""
    place = {Place.KERNEL: "kernel", Place.TOP: "top", Place.PORT: "port", Place.OUTSIDE: "outside"}[record.place]
    cycles = [
        str(latency) if ports else "-"
        for ports, latency in (
            (record.read_ports, record.read_latency_cycles),
            (record.write_ports, record.write_latency_cycles),
        )
    ]
    flags = (record.has_contents, record.kernels_write, record.host_writes, record.host_reads, record.survives_runs)
    return [place, f"{record.read_ports}/{record.write_ports}", *cycles, *("yes" if flag else "-" for flag in flags)]


def test_the_documented_table_is_the_records() -> None:
    rows = dict(documented())
    assert [name.lower() for name in rows] == list(CLASSES)
    for name, row in rows.items():
        assert row == columns(CLASSES[name.lower()]), name


@pytest.mark.parametrize("record", CLASSES.values(), ids=list(CLASSES))
def test_a_class_agrees_with_itself(record: Storage) -> None:
    assert (record.read_ports > 0) == (record.read_latency_cycles > 0)
    assert (record.write_ports > 0) == (record.write_latency_cycles > 0)
    assert not record.kernels_write or record.write_ports
    assert record.write_ports == 0 or record.kernels_write or record.host_writes
    assert not record.is_read_only or record.survives_runs
    if record in MADE:  # something writes it, and something reads it
        assert record.has_contents or record.kernels_write or record.host_writes
        assert record.read_ports


def test_what_passes_ask_for() -> None:
    assert [each for each in CLASSES.values() if each.is_scratch] == [RAM, CARRIED]
    assert [each for each in CLASSES.values() if each.is_read_only] == [SHARED_ROM, ROM]
    assert [each for each in CLASSES.values() if each.in_kernel] == [ROM, CARRIED]


def test_data_belong_to_storage_with_contents() -> None:
    words = np.zeros(4, np.uint32)
    with pytest.raises(AssertionError, match="w: data do not fit ram"):
        Buffer("w", (4,), "f32", RAM, words)
    with pytest.raises(AssertionError, match="w: data do not fit rom"):
        Buffer("w", (4,), "f32", ROM)


# -- the memories ------------------------------------------------------------------------------------------------------
def memory_of(record: Storage, number: int) -> Memory:
    """What hwlib builds for a class: scheduled_to_calyx, kernel_component."""
    if record.is_read_only:
        return rom(f"contents{number}", 32, [100 + word for word in range(WORDS)])
    if record.has_contents:
        return state_ram(f"state{number}", 32, [0] * WORDS, record.host_reads)
    return ram(32, WORDS, read_enable=record.host_reads)


@pytest.mark.parametrize("record", [*MADE, CARRIED], ids=lambda record: record.name)
def test_ports_and_registers_of_the_memory(record: Storage) -> None:
    memory = memory_of(record, 0)
    names = [port.name for port in memory.inputs]
    assert sum(name in ("addr", "read_addr") for name in names) == record.read_ports
    assert names.count("write_addr") == names.count("write_en") == record.write_ports
    assert memory.latency_cycles <= record.read_latency_cycles


@pytest.mark.simulation
def test_cycles_of_the_memories(tmp_path: Path) -> None:
    """Word 2 is written in cycle 3 and read in every cycle: from when on is the new word there?"""
    records = [*MADE, CARRIED]
    memories = [memory_of(record, number) for number, record in enumerate(records)]
    inputs = {"read_addr": address_bits(WORDS), "write_en": 1, "write_data": 32}
    ports = ", ".join(f"input [{width - 1}:0] {port}" for port, width in inputs.items())
    signals = {"addr": "read_addr", "read_en": "1'b1", "write_addr": "read_addr"}
    contents = {name: held for memory in memories for name, held in memory.contents.items()}
    sources = verilog("".join({memory.name: memory.definition() for memory in memories}.values()), contents)
    for number, memory in enumerate(memories):
        wires = ", ".join(f".{port.name}({signals.get(port.name, port.name)})" for port in memory.inputs)
        sources += f"module m{number}(input clk, {ports}, output [31:0] out);\n"
        wires += ", .reset(1'b0)" if "%reset" in memory.definition() else ""
        sources += f"  {memory.name} storage(.clk, .out, {wires});\nendmodule\n"
    stimulus = [{"read_addr": 2, "write_en": cycle in (0, 3), "write_data": 50 + cycle} for cycle in range(12)]
    seen = run(sources, [f"m{k}" for k in range(len(memories))], inputs, {"out": 32}, stimulus, tmp_path)
    for number, (record, memory) in enumerate(zip(records, memories, strict=True)):
        words = [row["out"] for row in seen[f"m{number}"]]
        if record.is_read_only:
            assert words[memory.latency_cycles :] == [102] * (12 - memory.latency_cycles)
        else:  # read in the cycle of its write, the old word; then `memory.latency_cycles` to the output
            first = 3 + record.write_latency_cycles + memory.latency_cycles
            assert words[first - 1 :] == [50, *[53] * (12 - first)], record.name


# -- the hardware around them ------------------------------------------------------------------------------------------
def copied(number: int, source: Buffer, target: Buffer, weights: Buffer | None = None) -> Kernel:
    """target[i] = source[i] (+ weights[i])."""
    i = Variable(f"i{number}", WORDS)
    at = (variable(i),)
    statements: list[Load | Operation] = [Load(f"read{number}", "f32", source, at)]
    if weights is not None:
        statements.append(Load(f"weight{number}", "f32", weights, at))
        operands = (f"read{number}", f"weight{number}")
        statements.append(Operation(f"sum{number}", "f32", "arith.addf", operands, ("f32", "f32")))
    store = Store(target, at, statements[-1].result)
    return Kernel(f"copy{number}", (Loop(i),), (Stage((), tuple(statements), (store,)),))


def program_with(reads: dict[Storage, int]) -> Program:
    """Every class that is made, read with other latencies."""

    def late(record: Storage) -> Storage:
        return replace(record, read_latency_cycles=reads[record])

    words = np.arange(1, WORDS + 1).astype(np.float32).view(np.uint32)
    x, y, z = (Buffer(n, (WORDS,), "f32", late(s)) for n, s in (("x", INPUT), ("y", OUTPUT), ("z", OUTPUT)))
    middle = Buffer("middle", (WORDS,), "f32", late(RAM))
    own = Buffer("own", (WORDS,), "f32", late(ROM), words)
    table = Buffer("shared", (WORDS,), "f32", late(SHARED_ROM), words)
    state = Buffer("state", (WORDS,), "f32", late(STATE), words)
    kernels = [
        copied(0, x, middle, own),
        copied(1, middle, y, table),
        copied(2, y, z, table),
        copied(3, x, state, state),
    ]
    return Program.of("p", (x,), (y, z), kernels, states=[state])


@pytest.mark.simulation
@pytest.mark.parametrize("reads", [(1, 2, 3, 4, 5, 6), (6, 5, 4, 3, 2, 1)])
def test_hardware_takes_the_cycles_of_the_record(
    reads: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Schedules and hardware both follow the record: whatever its latency is, values are right at the right time."""
    program = program_with(dict(zip(MADE, reads, strict=True)))
    monkeypatch.setattr(scheduled_to_calyx, "MADE", tuple(buffer.storage for buffer in program.buffers()))
    scheduled = affine_to_scheduled.lower(program, Library())
    for kernel in scheduled.kernels:
        for load in kernel.loads():
            taken = kernel.plan.ready[load.result] - kernel.plan.start[load.result]
            assert taken == load.buffer.storage.read_latency_cycles
    design = scheduled_to_calyx.lower(scheduled, Library())
    verilog = hw_to_sv.export(calyx_to_hw.lower(design.text(), design.definitions))
    (tmp_path / "p.sv").write_text(fill_verilog(verilog, design.contents))
    x = np.random.default_rng(0).standard_normal(WORDS).astype(np.float32)
    told = Manifest.from_json(manifest(design, "test", ["p.sv"], []))
    kept = np.arange(WORDS).astype(np.float32) * 7
    loaded = [kept] if reads[0] == 1 else []  # else the contents that the design has
    reset = Conditions(abandon_cycles=(5,))  # before any store to the state: a reset keeps it
    result = simulate(tmp_path, told, [[x], [-x]], reset, states=loaded)
    assert result.cycles == [[design.latency_cycles]] * 2
    state = program.states[0].data
    assert state is not None
    kept = kept if loaded else state.view(np.float32)
    for given, outputs in zip((x, -x), result.outputs, strict=True):
        wanted = Reference(program.text()).run([given], [kept])
        for got, expected in zip(outputs, wanted, strict=True):
            assert got.tobytes() == expected.tobytes()
        kept = wanted[-1]


@pytest.mark.parametrize("record", [EXTERNAL], ids=lambda record: record.name)
def test_what_is_not_made_is_not_lowered(record: Storage) -> None:
    given = Buffer("x", (WORDS,), "f32", record)
    program = Program.of("p", (given,), (y := Buffer("y", (WORDS,), "f32", OUTPUT),), (copied(0, given, y),))
    with pytest.raises(AssertionError, match=f"x: {record.name} is not made yet"):
        scheduled_to_calyx.lower(affine_to_scheduled.lower(program, Library()), Library())

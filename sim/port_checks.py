"""Assertions, in simulation, of what check-ports proves about memory ports: SystemVerilog bound to the top module.

Before:  a scheduled program and the design made of it
After:   module TOP_port_checks, and `bind TOP TOP_port_checks …`, for a file of its own: the design does not change

In every cycle of a run, for every access that the schedule has in that cycle:
- for a read, the read port of its bank has its address, so no other read with another address uses the port;
- for a write, the write port of its bank has its enable and its address, and no other write uses the port;
- the address is that of contract section 5, computed independently from the loop indices, and is inside the bank.
A write that belongs to no access is a violation too. Loads at indices computed at run time are not checked, nor are
loads outside the buffer whose value is not used. A violation is a line `violation: …` for the bench (bench.cpp).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from torch2hw.analysis.constant_reads import delays_of_tables
from torch2hw.analysis.joined_banks import banks_side_by_side, name_of_banks
from torch2hw.analysis.joined_tables import memory_name, side_by_side
from torch2hw.analysis.port_accesses import Access, accesses, run_time
from torch2hw.dialects.bank_ports import bank_ports
from torch2hw.dialects.interface import CONTROL
from torch2hw.dialects.loops import Buffer, Kernel
from torch2hw.dialects.quasi_affine import FloorDiv, Index, Variable

if TYPE_CHECKING:
    from torch2hw.dialects.program import Program

OBSERVED = (CONTROL.clock, CONTROL.reset, CONTROL.start)
MAX_REPORTED = 16  # violations that are printed
FUNCTIONS = """\
  function automatic int quotient(int value, int divisor);
    return value >= 0 ? value / divisor : -((divisor - 1 - value) / divisor);
  endfunction
  function automatic int rest(int value, int divisor);
    return value - quotient(value, divisor) * divisor;
  endfunction
"""


def port_checks(scheduled: Program, core: str = "") -> str:
    """The file, with a port to a line: Verilator limits the tokens of one. It looks at the memories that
    scheduled_to_calyx made in the top component; with `core`, the name of the component that an interface surrounds,
    at its ports towards the memories of inputs and outputs."""
    top = core or scheduled.name
    stored = [buffer for buffer in scheduled.buffers() if not buffer.storage.in_kernel]
    built = _built(scheduled, stored)
    outside, read = {*scheduled.inputs, *scheduled.outputs} if core else set(), _read(scheduled)
    together = {each: tables for tables in side_by_side(scheduled) for each in tables}
    joined = {(each, 0): memory_name(tables) for each, tables in together.items()}
    for buffer in stored:
        for banks in banks_side_by_side(scheduled, buffer):
            joined |= {(buffer, bank): name_of_banks(buffer, banks) for bank in banks if len(banks) > 1}
    ports: dict[str, str] = {}
    for buffer, bank in built:
        is_read = (buffer, bank) in read
        ports |= (
            _core_ports(buffer, bank, is_read)
            if buffer in outside
            else _ports(buffer, bank, joined.get((buffer, bank)))
        )
    written = [bank_ports(buffer, bank).stem for buffer, bank in built if buffer.storage.kernels_write]
    body = [f"writes_{stem} = 0;" for stem in written]
    for placed in scheduled.placed:
        kernel = placed.kernel
        for access in accesses(kernel):
            if not run_time(kernel, access):
                late = delays_of_tables(together[access.buffer]).address if access.buffer in together else 0
                first_cycle = placed.start_cycle + access.cycle + late
                body += _access(kernel, access, first_cycle, placed.period_cycles, built)
    for stem in written:
        body += _written(stem)
    names = {f"writes_{stem}" for stem in written}
    names |= {f"at_{loop.variable.name}" for kernel in scheduled.kernels for loop in kernel.loops}
    control = [f".{ours}({port.name})" for ours, port in zip(("clk", "reset", "go"), OBSERVED, strict=True)]
    variables = ",\n    ".join(sorted(names))
    header = ",\n".join(["  input clk, reset, go", *(f"  input int {port}" for port in ports)])
    wires = ",\n  ".join([*control, *(f".{port}({signal})" for port, signal in ports.items())])
    lines = "\n".join(f"      {line}" for line in body)
    return f"""\
module {top}_port_checks(
{header}
);
  bit running;
  int told = 0, next, now, run, bank, place,
    {variables};
{FUNCTIONS}
  always @(posedge clk) begin
    now = running ? next : 0;
    if (!reset && (running || go)) begin
{lines}
    end
    running <= !reset && (running || go) && now < {scheduled.latency_cycles};
    next <= now + 1;
  end
endmodule
bind {top} {top}_port_checks port_checks(
  {wires}
);
"""


def _built(scheduled: Program, stored: Sequence[Buffer]) -> list[tuple[Buffer, int]]:
    """The banks that have a memory: all of an output, and of other buffers those that some load reads."""
    read = _read(scheduled)
    every = [(buffer, bank) for buffer in stored for bank in range(buffer.banks)]
    return [place for place in every if place[0].storage.host_reads or place in read]


def _read(scheduled: Program) -> set[tuple[Buffer, int]]:
    """The banks that some load reads."""
    from torch2hw.analysis.banks import bank_number, selection

    return {
        (load.buffer, bank_number(bank, load.buffer.bank_factors))
        for kernel in scheduled.kernels
        for load in kernel.loads()
        for bank in selection(load.indices, load.buffer.bank_factors)
    }


def _ports(buffer: Buffer, bank: int, memory: str | None) -> dict[str, str]:
    """Our ports and what they are wired to: an address as an integer, an enable as 0 or 1. `memory` is that of several
    constants or banks, if it is in such a one."""
    stem, memory = bank_ports(buffer, bank).stem, memory or bank_ports(buffer, bank).memory
    found = {f"{stem}_read": f"int'({memory}.{'addr' if buffer.storage.is_read_only else 'read_addr'})"}
    if buffer.storage.kernels_write:
        found[f"{stem}_write"] = f"int'({memory}.write_addr)"
        found[f"{stem}_enable"] = f"int'({memory}.write_en)"
    return found


def _core_ports(buffer: Buffer, bank: int, is_read: bool) -> dict[str, str]:
    """The same for an input or output whose memories are outside: the ports of the core. What kernels read of an output
    is in a memory inside."""
    names = bank_ports(buffer, bank)
    if buffer.storage.host_writes:
        return {f"{names.stem}_read": f"int'({names.address})"}
    return {
        f"{names.stem}_read": f"int'({names.memory}.read_addr)" if is_read else "0",
        f"{names.stem}_write": f"int'({names.write_address})",
        f"{names.stem}_enable": f"int'({names.write_enable})",
    }


def _access(
    kernel: Kernel,
    access: Access,
    first_cycle: int,
    period_cycles: int,
    built: Sequence[tuple[Buffer, int]],
) -> Iterator[str]:
    """Statements that check one access in the cycles in which it is made."""
    buffer, what, interval_cycles = access.buffer, f"{kernel.name}: {access}", kernel.plan.interval_cycles
    length = kernel.round_trips * interval_cycles
    since, before = f"(now - {first_cycle})", ""
    due = f"now >= {first_cycle} && now < {first_cycle + (kernel.rounds - 1) * period_cycles + length}"
    if kernel.is_in_rounds:
        before = f"{since} / {period_cycles} * {kernel.round_trips} + "
        since = f"{since} % {period_cycles}"
        due += f" && {since} < {length}"
    if interval_cycles > 1:
        due += f" && {since} % {interval_cycles} == 0"
    yield f"if ({due}) begin"
    yield f"  run = {before}{since} / {interval_cycles};"
    inner = 1
    for loop in reversed(kernel.loops):
        yield f"  {_name(loop.variable)} = run / {inner} % {loop.extent};"
        inner *= loop.extent
    conditions = [f"{_text(index)} >= 0" for index in access.conditions]
    conditions += [f"{_name(variable)} == {variable.extent - 1}" for variable in access.last_of]
    inside = [
        f"{_text(index)} >= 0 && {_text(index)} < {size}"
        for index, size in zip(access.indices, buffer.shape, strict=True)
    ]
    yield f"  if ({' && '.join(conditions if access.writes else inside) or '1'}) begin"
    if access.writes and inside:
        yield f"    {_claim(' && '.join(inside), what, 'is outside its buffer')}"
    pairs = list(zip(access.indices, buffer.bank_factors, strict=True))
    banks = [f"rest({_text(index)}, {factor})" for index, factor in pairs]
    places = [f"quotient({_text(index)}, {factor})" for index, factor in pairs]
    yield f"    bank = {_row_major(banks, buffer.bank_factors)};"
    yield f"    place = {_row_major(places, buffer.bank_shape)};"
    yield "    case (bank)"
    for bank in _banks(access):
        stem = bank_ports(buffer, bank).stem
        if (buffer, bank) not in built:
            yield f"      {bank}: ;  // nothing reads it, and it has no memory"
        elif access.writes:
            yield f"      {bank}: begin"
            yield f"        writes_{stem} = writes_{stem} + 1;"
            yield f"        {_claim(f'{stem}_write == place', what, 'has another address at its port')}"
            yield "      end"
        else:
            yield f"      {bank}: {_claim(f'{stem}_read == place', what, 'has another address at its port')}"
    yield f"      default: {_claim('0', what, 'is in a bank without a port')}"
    yield "    endcase"
    yield "  end"
    yield "end"


def _banks(access: Access) -> Sequence[int]:
    from torch2hw.analysis.banks import bank_number, selection

    factors = access.buffer.bank_factors
    return sorted({bank_number(bank, factors) for bank in selection(access.indices, factors)})


def _written(stem: str) -> Iterator[str]:
    yield _claim(f"writes_{stem} <= 1", stem, "is written twice in a cycle")
    yield _claim(f"{stem}_enable == int'(writes_{stem} != 0)", stem, "is written, or not, against the schedule")


def _claim(condition: str, what: str, wrong: str) -> str:
    told = f'$display("violation: {what} {wrong}, cycle %0d", now)'
    return f"assert ({condition}) else if (told++ < {MAX_REPORTED}) {told};"


def _name(variable: Variable) -> str:
    return f"at_{variable.name}"


def _text(index: Index) -> str:
    """An index expression over the loops' indices."""
    parts = []
    for atom, coefficient in index.terms:
        if isinstance(atom, Variable):
            text = _name(atom)
        else:
            text = f"{'quotient' if isinstance(atom, FloorDiv) else 'rest'}({_text(atom.dividend)}, {atom.divisor})"
        parts.append(text if coefficient == 1 else f"{text} * ({coefficient})")
    return f"({' + '.join([*parts, str(index.constant)])})"


def _row_major(parts: Sequence[str], sizes: Sequence[int]) -> str:
    text = "0"
    for part, size in zip(parts, sizes, strict=True):
        text = f"({text} * {size} + {part})"
    return text

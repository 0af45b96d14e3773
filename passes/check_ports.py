"""check-ports: proves for a scheduled program that no memory port is used twice in a cycle and that the banks hold
every element.

Before and after: the same program.

needs: scheduled programs.
leaves: the program unchanged. It has then been proved for every kernel and every buffer in a memory:
    - the elements of the buffer have distinct addresses, all inside its banks;
    - every access goes to a bank that has a port for it, at the address of its element: the simplified index
      expressions that the hardware evaluates agree with plain arithmetic;
    - two reads of one bank in one cycle have the same address, and one bank is written at most once in a cycle,
      whichever iterations the accesses belong to;
    - where a kernel overwrites what it reads, an element is not read after it was written;
    - an iterative unit gets operands no sooner than it takes them.
refuses: nothing that a user writes. What cannot be proved is a fault of torch2hw: an assertion names the accesses.
why: the schedule is static, so the hardware would not notice a collision. This proof works by residues and by
    enumeration of iterations, and shares no reasoning with `banks` and `modulo_schedule` in analysis/.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from torch2hw.analysis.banks import bank_number, selection
from torch2hw.analysis.overlap_faults import MAX_COMMON_CYCLES, overlap_faults, runs
from torch2hw.analysis.port_accesses import Access, Array, accesses, counted, evaluated, iterations, run_time
from torch2hw.analysis.residues import MAX_EXACT, residues, step, suspects
from torch2hw.analysis.round_faults import moved_rounds
from torch2hw.analysis.unit_binding import unit_of
from torch2hw.dialects.loops import Buffer, Kernel, Operation
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import linearise
from torch2hw.dialects.substitution import one_round
from torch2hw.hwlib import Library
from torch2hw.passes.pass_context import PassContext


@dataclass(frozen=True)
class CheckPorts:
    """Runs on every scheduled program; a failed proof is an assertion, for it is a fault of torch2hw.

    `max_iterations`: of a kernel whose accesses are compared cycle by cycle, where residues do not keep them apart.
    `max_common_cycles`: of two kernels that run at the same time, which are gone through.
    `min_beside`: loads of a program whose check runs beside the passes that follow.
    """

    name: str = "check-ports"
    source: str = "scheduled"
    target: str = "scheduled"
    max_iterations: int = 1 << 20
    max_common_cycles: int = MAX_COMMON_CYCLES
    min_beside: int = 200

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The program itself and an empty report. AssertionError names the first four faults."""
        problems = list(faults(program, context.library, self))
        assert not problems, "; ".join(problems[:4])
        return program, {}

    def is_long(self, program: Program) -> bool:
        """By its accesses: each takes 1 to 2 ms."""
        return sum(len(list(kernel.loads())) for kernel in program.kernels) > self.min_beside


def faults(program: Program, library: Library, limits: CheckPorts | None = None) -> Iterator[str]:
    """What is wrong with a program, a line each; `limits` None takes those of the pipeline."""
    limits = limits or CheckPorts()
    for buffer in program.buffers():
        if not buffer.storage.in_kernel:
            yield from storage_faults(buffer)
    for kernel in program.kernels:
        for access in accesses(kernel):
            yield from (f"{kernel.name}: {text}" for text in address_faults(kernel, access))
        rounds = 1 if moved_rounds(kernel, kernel) else kernel.rounds  # the others do the same to other rows
        for once in (one_round(kernel, number) for number in range(rounds)):
            for left, right in suspects(accesses(once), kernel.plan.interval_cycles):
                if not ordered(once, left, right, limits.max_iterations):
                    yield f"{kernel.name}: {left} and {right} collide"
        yield from (f"{kernel.name}: {text}" for text in spacing_faults(kernel, library))
    yield from overlap_faults(program, library, limits.max_common_cycles)


def spacing_faults(kernel: Kernel, library: Library) -> Iterator[str]:
    """Operations whose unit is still busy when their operands come; the first iterations are enumerated."""
    for number, stage in enumerate(kernel.stages):
        for statement in stage.statements:
            if isinstance(statement, Operation) and statement.iterative:
                unit = unit_of(statement, library)
                found = np.flatnonzero(runs(kernel, number, range(min(kernel.round_trips, MAX_EXACT))))
                if (np.diff(found) * kernel.plan.interval_cycles < unit.interval_cycles).any():
                    yield f"{statement.result} comes while {unit.name} is busy"


# -- where elements are ------------------------------------------------------------------------------------------------
def bank_and_address(buffer: Buffer, at: Sequence[Array]) -> tuple[Array, Array]:
    """Bank and address of the elements at given indices, by the definition in contract section 5."""
    bank = address = np.zeros((), np.int64)
    for index, factor, size in zip(at, buffer.bank_factors, buffer.bank_shape, strict=True):
        bank, address = bank * factor + index % factor, address * size + index // factor
    return bank, address


def storage_faults(buffer: Buffer) -> Iterator[str]:
    """The map from elements to (bank, address) is one to one, and into the banks."""
    if buffer.elements <= MAX_EXACT:
        bank, address = bank_and_address(buffer, list(np.indices(buffer.shape)))
        flat = (bank * buffer.bank_elements + address).reshape(-1)
        if (
            len(np.unique(flat)) != buffer.elements
            or flat.min() < 0
            or bank.max() >= buffer.banks
            or address.max() >= buffer.bank_elements
        ):
            yield f"{buffer.name} {buffer.shape} does not fit its banks {buffer.bank_factors}"
        return
    for size, factor, rows in zip(buffer.shape, buffer.bank_factors, buffer.bank_shape, strict=True):
        if factor < 1 or factor * rows < size:  # each dimension is one to one, so their product is
            yield f"{buffer.name} {buffer.shape} does not fit its banks {buffer.bank_factors}"


def address_faults(kernel: Kernel, access: Access) -> Iterator[str]:
    """The bank and address that the hardware computes are those of the element, wherever the access counts."""
    buffer, factors = access.buffer, access.buffer.bank_factors
    values = iterations(kernel, access, MAX_EXACT)
    at = [evaluated(index, values) for index in access.indices]
    inside = counted(access, values)
    for index, size in zip(at, buffer.shape, strict=True):
        beyond = (index < 0) | (index >= size)
        if access.writes and bool((inside & beyond).any()):
            yield f"{access} is outside the buffer"
        inside = inside & ~beyond
    bank, address = bank_and_address(buffer, at)
    pairs = list(zip(access.indices, factors, strict=True))
    computed_bank = evaluated(linearise([i.remainder(f) for i, f in pairs], factors), values)
    computed_address = evaluated(linearise([i.floordiv(f) for i, f in pairs], buffer.bank_shape), values)
    known = np.array([bank_number(each, factors) for each in selection(access.indices, factors)])
    if bool((inside & ((bank != computed_bank) | (address != computed_address) | ~np.isin(bank, known))).any()):
        yield f"{access} goes to a wrong bank or address"


# -- collisions --------------------------------------------------------------------------------------------------------
def ordered(kernel: Kernel, left: Access, right: Access, max_iterations: int) -> bool:
    """Whether two accesses to one buffer are proved not to collide."""
    if left.writes != right.writes:
        write, read = (left, right) if left.writes else (right, left)
        same_element = write.indices == read.indices and write.cycle > read.cycle  # an element is written once
        return same_element or different_elements(read, write) or read_first(kernel, read, write, max_iterations)
    if (left.cycle - right.cycle) % kernel.plan.interval_cycles:
        return True
    if never_meet(left, right, left.cycle == right.cycle):
        return True
    return apart_by_enumeration(kernel, left, right, max_iterations)


def never_meet(left: Access, right: Access, same_iteration: bool) -> bool:
    """Whether `left` and `right` are in different banks in any two iterations: in some dimension, their residues are
    apart."""
    if same_iteration and not left.writes and left.indices == right.indices:
        return True
    for a, b, factor in zip(left.indices, right.indices, left.buffer.bank_factors, strict=True):
        if not residues(a, factor) & residues(b, factor):
            return True
        if same_iteration and 0 not in residues(a - b, factor):
            return True
    return False


def different_elements(left: Access, right: Access) -> bool:
    """Whether `left` and `right` access different elements in any two iterations: in some dimension, their residues
    modulo the steps of both are apart."""
    for a, b in zip(left.indices, right.indices, strict=True):
        modulus = step(a.terms, b.terms)
        if not residues(a, modulus) & residues(b, modulus):
            return True
    return False


def apart_by_enumeration(kernel: Kernel, left: Access, right: Access, max_iterations: int) -> bool:
    """Whether no collision is found by trying every cycle. False also if there are too many cycles, or an index is
    computed at run time."""
    first, second = timed(kernel, left, max_iterations), timed(kernel, right, max_iterations)
    if first is None or second is None:
        return False
    _, a, b = np.intersect1d(first.cycle, second.cycle, assume_unique=True, return_indices=True)
    same_bank = first.bank[a] == second.bank[b]
    collide = same_bank if left.writes else same_bank & (first.address[a] != second.address[b])
    return not bool(collide.any())


def read_first(kernel: Kernel, read: Access, write: Access, max_iterations: int) -> bool:
    """Whether every element is read before it is written, or never written: by enumeration."""
    reads, writes = timed(kernel, read, max_iterations), timed(kernel, write, max_iterations)
    if reads is None or writes is None:
        return False
    size = read.buffer.bank_elements
    written = dict(zip((writes.bank * size + writes.address).tolist(), writes.cycle.tolist(), strict=True))
    read_elements = (reads.bank * size + reads.address).tolist()
    return all(
        cycle < written.get(element, cycle + 1)
        for element, cycle in zip(read_elements, reads.cycle.tolist(), strict=True)
    )


@dataclass(frozen=True)
class Uses:
    """Cycle, bank and address of every use that an access makes of its port."""

    cycle: Array
    bank: Array
    address: Array


def timed(kernel: Kernel, access: Access, max_iterations: int) -> Uses | None:
    """Every use in order; None where they are too many, or at an index computed at run time."""
    if kernel.trip_count > max_iterations or run_time(kernel, access):
        return None
    values = iterations(kernel, access, max_iterations)
    inside = np.flatnonzero(counted(access, values)) if access.writes else np.arange(kernel.trip_count)
    bank, address = bank_and_address(access.buffer, [evaluated(index, values) for index in access.indices])
    everywhere = np.zeros(kernel.trip_count, np.int64)
    cycle = inside * kernel.plan.interval_cycles + access.cycle
    return Uses(cycle, (bank + everywhere)[inside], (address + everywhere)[inside])

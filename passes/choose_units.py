"""choose-units: divisions, square roots and requantisations that are needed rarely get iterative units.

Before:  %q = arith.divf %x, %sum : f32, on a divider that takes operands in every cycle
After:   the same on one that takes them every 27 cycles: 156 LUTs, not 764

needs: loops in execution order, banks and memories fixed: later passes do not change a kernel's timing.
leaves: operations marked `iterative`: all of one name and type, or none, for one pipelined unit would undo the saving.
    Requantisations of two digits a cycle are marked `iterative 2`, of three, `iterative 3`. Those that share no unit
    with another kernel take their total as short as it was before an extension.
    The values are the same, because both kinds of unit round correctly.
refuses: nothing.
why: a softmax over ten classes or a mean over 49 elements divides a few times in a run, and a pipelined divider is as
    large as multiplier and adder together. A sum that ends every eighth iteration, or every fourth or third with two
    or three digits a cycle, needs no DSP for its code. The added cycles are weighed against the saved LUTs
    (`time_and_area`); a design whose DSPs would run out first has LUTs to spare for it.
source of the sizes: benchmarks/units.md (Yosys 0.70, synth_xilinx -family xcup).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch2hw.analysis.quantised_values import made_by
from torch2hw.analysis.scheduling import planned, scheduled
from torch2hw.analysis.start_times import overlapped
from torch2hw.analysis.time_and_area import CODE_LANE_LUTS, LANE_LUTS, luts_of_all_time, spare_code_luts
from torch2hw.analysis.unit_binding import shared_units, shared_uses
from torch2hw.dialects.loops import Kernel, Operation
from torch2hw.dialects.program import Program
from torch2hw.hwlib import Library
from torch2hw.hwlib.entries import ENTRIES, entry_for
from torch2hw.hwlib.formats import float_format
from torch2hw.passes.bind_units import only_inverses
from torch2hw.passes.integer_sums import PRODUCT
from torch2hw.passes.pair_products import PAIRED
from torch2hw.passes.pass_context import PassContext
from torch2hw.passes.requantise_after_maxima import EXTENSION, used
from torch2hw.passes.requantise_sums import REQUANTISE

INVERSE_LUTS = 0.2  # where every division is one of 1, which has a smaller unit (`bind-units`), likewise
Key = tuple[str, str]  # an operation's name and type


@dataclass(frozen=True)
class ChooseUnits:
    """The pass. It is turned off by `--no-iterative-units`."""

    name: str = "choose-units"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The report: the added cycles, at most, for each operation and type that became iterative."""
        if not context.options.iterative_units:
            return program, {}
        report: dict[str, Any] = {}
        for key in sorted({key_of(each) for kernel in program.kernels for each in candidates(kernel)}):
            most, best, text = 0.0, program, ""
            for digits in range(1, ENTRIES[key[0]].digits + 1):
                changed = program.with_kernels([with_iterative(kernel, key, digits) for kernel in program.kernels])
                cycles = added_cycles(program, changed, context)
                gain = saved_luts(program, key, digits, context) - cycles * cycle_luts(program)
                if gain > most:
                    a_cycle = "" if digits == 1 else f" of {digits} digits a cycle"
                    most, best, text = gain, changed, f"iterative{a_cycle}, {cycles} cycles more at most"
            if text:
                program = best
                report[" ".join(key)] = text
        return with_short_totals(program, context), report


def candidates(kernel: Kernel) -> list[Operation]:
    """The operations that the library has iterative units for."""
    operations = (each for each in kernel.statements() if isinstance(each, Operation))
    return [each for each in operations if saved_factor(each.name) and entry_for(each.name, types_of(each)) is not None]


def types_of(operation: Operation) -> tuple[str, ...]:
    """Of the operands and, last, the result."""
    return (*operation.operand_types, operation.type)


def saved_factor(operation: str) -> float:
    """LUTs that an iterative unit saves, of floats divided by the square of the significand's bits; 0 if the library
    has none."""
    entry = ENTRIES.get(operation)
    return 0.0 if entry is None else entry.saved_luts


def key_of(operation: Operation) -> Key:
    """What is decided together: all operations of one name and type."""
    return operation.name, operation.type


def with_iterative(kernel: Kernel, key: Key, digits: int = 1) -> Kernel:
    """`kernel` with all operations of this key on iterative units of so many digits a cycle."""
    chosen = {each.result for each in candidates(kernel) if key_of(each) == key}
    if not chosen:
        return kernel
    stages = tuple(
        replace(
            stage,
            statements=tuple(
                replace(each, iterative=digits) if isinstance(each, Operation) and each.result in chosen else each
                for each in stage.statements
            ),
        )
        for stage in kernel.stages
    )
    return replace(kernel, stages=stages)


def with_short_totals(program: Program, context: PassContext) -> Program:
    """The program with iterative requantisations of totals as short as they are before an extension, where the unit is
    one that no other kernel uses: its adder is as long as the total."""
    library = context.library
    shared = shared_units(program.kernels, library) if context.options.share_units else {}
    return program.with_kernels([_with_short_totals(kernel, shared, library) for kernel in program.kernels])


def _with_short_totals(kernel: Kernel, shared: Mapping[str, int], library: Library) -> Kernel:
    made, uses = made_by(kernel), used(kernel.stages)
    on_shared = {operation.result for operation, _, _ in shared_uses(kernel, library, shared)}
    short: dict[str, Operation] = {}
    gone: set[str] = set()
    for operation in candidates(kernel):
        if operation.name != REQUANTISE or not operation.iterative or operation.result in on_shared:
            continue
        longer = made.get(operation.operands[0])
        if not isinstance(longer, Operation) or longer.name != EXTENSION:
            continue
        operands = (*longer.operands, *operation.operands[1:])
        types = (*longer.operand_types, *operation.operand_types[1:])
        if uses[longer.result] == 1 and entry_for(REQUANTISE, (*types, operation.type)) is not None:
            short[operation.result] = replace(operation, operands=operands, operand_types=types)
            gone.add(longer.result)
    stages = [
        replace(stage, statements=tuple(short.get(s.result, s) for s in stage.statements if s.result not in gone))
        for stage in kernel.stages
    ]
    return replace(kernel, stages=tuple(stages)) if short else kernel


def added_cycles(before: Program, after: Program, context: PassContext) -> int:
    """Cycles that the program takes more. Of divisions and roots it is an upper bound: those of the changed kernels,
    summed as if they ran one after the other."""
    library, options = context.library, context.options
    pairs = [(old, new) for old, new in zip(before.kernels, after.kernels, strict=True) if old is not new]
    if options.overlap and any(s.name == REQUANTISE for _, new in pairs for s in candidates(new)):
        plans = [overlapped(scheduled(each, library, options.share_units), library) for each in (before, after)]
        return plans[1].latency_cycles - plans[0].latency_cycles
    return sum(latency_cycles(new, library) - latency_cycles(old, library) for old, new in pairs)


def latency_cycles(kernel: Kernel, library: Library) -> int:
    """Cycles of the kernel over all its rounds, as the scheduler would plan it now."""
    return kernel.rounds * planned(kernel, library).latency_cycles(kernel.round_trips)


def cycle_luts(program: Program) -> float:
    """LUTs that one cycle is worth."""
    cycles = sum(kernel.trip_count for kernel in program.kernels)
    widest = max(program.kernels, key=lambda kernel: kernel.lanes)
    return luts_of_all_time(widest.lanes, CODE_LANE_LUTS if multipliers(widest) else LANE_LUTS) / cycles


def multipliers(kernel: Kernel) -> int:
    """The DSPs of its products of codes."""
    operations = [each for each in kernel.statements() if isinstance(each, Operation)]
    pairs = sum(len(each.operands) // ENTRIES[PAIRED].each for each in operations if each.name == PAIRED)
    return pairs + sum(1 for each in operations if each.name == PRODUCT)


def saved_luts(program: Program, key: Key, digits: int, context: PassContext) -> float:
    """LUTs that iterative units of so many digits a cycle save: the number of units is the maximum over kernels if
    units are shared, otherwise the sum over kernels. Those that they take instead of DSPs may be spare."""
    name, type_name = key
    form = float_format(type_name)
    counts = [sum(1 for each in candidates(kernel) if key_of(each) == key) for kernel in program.kernels]
    units = max(counts) if context.options.share_units else sum(counts)
    inverts = name == "arith.divf" and type_name in only_inverses(program)
    each = INVERSE_LUTS if inverts and context.library.inverse(type_name) is not None else saved_factor(name)
    saved = each * units * (1 if form is None else form.significand_bits**2)
    widest = max(program.kernels, key=lambda kernel: kernel.lanes)
    spare = spare_code_luts(widest.lanes, multipliers(widest))
    return saved - max(0.0, ENTRIES[name].digit_luts[digits - 1] * units - spare)

"""The unit of an operation, its latency and cost, and the units that kernels share.

Only units of two stages or more are shared: smaller ones are no larger than the multiplexers in front of a shared unit.
Kernels use a shared unit one after the other; `overlap-kernels` chooses their starts accordingly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from torch2hw.analysis.refusals import unsupported
from torch2hw.dialects.calyx_primitives import Hardware
from torch2hw.dialects.loops import Kernel, Operation
from torch2hw.dialects.once import once
from torch2hw.hwlib import Library, NoUnit, Unit


def unit_of(operation: Operation, library: Library) -> Unit:
    """The unit of an operation, iterative if the operation says so. An operation without one is refused at its source
    line.
    """
    types, shape = operation.operand_types, operation.shape
    try:
        return library.unit(operation.name, types, operation.type, operation.predicate, shape=shape)
    except NoUnit as problem:
        raise unsupported(operation.name, operation.source) from problem


def is_long(unit: Unit) -> bool:
    """Whether a unit has two stages or more: kernels share such units."""
    return unit.latency_cycles > 1


def operand_register_cycles(unit: Unit) -> int:
    """Registers in front of a unit's operands: one for a pipeline of two stages or more, so that its first stage has a
    cycle to itself."""
    return 1 if is_long(unit) else 0


def latency_of(operation: Operation, library: Library) -> int:
    """Cycles from an operation's operands to its result, its operand registers included."""
    unit = unit_of(operation, library)
    return unit.latency_cycles + operand_register_cycles(unit)


def spacing_of(operation: Operation, library: Library) -> int:
    """Cycles from one set of operands to the next."""
    return unit_of(operation, library).interval_cycles


def luts_of(operation: Operation, library: Library) -> float:
    """LUTs of an operation's unit: measured, or estimated from its graph."""
    return float(unit_of(operation, library).luts)


def shared_units(kernels: Iterable[Kernel], library: Library) -> dict[str, int]:
    """By name, the number of shared units: units of two stages or more that at least two kernels can use."""
    counts: list[Counter[str]] = []
    for kernel in kernels:
        counts.append(_long_units(kernel, library))
    shared = {}
    for name in sorted(set().union(*counts)) if counts else []:
        uses = sorted((count[name] for count in counts), reverse=True)
        if len(uses) > 1 and uses[1] > 0:
            shared[name] = uses[1]
    return shared


@once
def _long_units(kernel: Kernel, library: Library) -> Counter[str]:
    """By name, the number of units of two stages or more that a kernel can use."""
    units = [unit_of(s, library) for s in kernel.statements() if isinstance(s, Operation)]
    return Counter(unit.name for unit in units if is_long(unit))


def shared_name(hardware: Hardware, number: int) -> str:
    """The stem of a shared unit's cell and ports; the underscore keeps exp's number 2 apart from exp2."""
    return f"{hardware.name}_{number}"


def shared_uses(kernel: Kernel, library: Library, shared: Mapping[str, int]) -> Iterator[tuple[Operation, Unit, int]]:
    """The operations of a kernel that use shared units, each with its unit and the unit's number."""
    used: Counter[str] = Counter()
    for stage in kernel.stages:
        early, late = stage.in_order()
        for statement in (*early, *late):
            if isinstance(statement, Operation):
                unit = unit_of(statement, library)
                if used[unit.name] < shared.get(unit.name, 0):
                    yield statement, unit, used[unit.name]
                used[unit.name] += 1

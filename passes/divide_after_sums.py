"""divide-after-sums: the weights of a softmax are not divided, but the sums of products that they are in.

Before:  n0: for i, j { t[i, j] = e[i, j] / s[i] }    n1: for i, k { for j { acc += t[i, j] · v[j, k] } ; y = acc }
After:   n1: for i, k { for j { acc += e[i, j] · v[j, k] } ; y = acc / s[i] }

needs: affine programs; kernels are single-assignment.
leaves: fewer divisions, each with the time of a whole sum. `remove-dead-code` removes n0.
refuses: nothing.
why: attention has as many weights as pairs of positions, and as many results as values: at 100 positions and 21 values
    a fifth of the divisions, and a kernel less. FlashAttention (Dao et al., 2022, section 3.1) and PyTorch's own
    attention for the CPU divide there. Rounding changes, and nothing else: each e is exp(x - max x), at most 1, so
    that a sum of products is no larger than one of values; other quotients are left where they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch2hw.analysis.inversion import invert
from torch2hw.dialects.loops import Buffer, Constant, Kernel, Load, Operation, Stage, Store, operand_names
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Index, Variable, linearise
from torch2hw.dialects.substitution import substitute_statement
from torch2hw.hwlib.formats import float_format
from torch2hw.passes.pass_context import PassContext

SUBTRACTIONS = ("arith.subf", "arith.addf")  # x - m, or x + (-m)


@dataclass(frozen=True)
class DivideAfterSums:
    """The pass. No option turns it off."""

    name: str = "divide-after-sums"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The report: the kernels that divide now."""
        kernels = list(program.straight_line)
        moved: list[str] = []
        for position, kernel in enumerate(kernels):
            changed = _with_division(kernel, kernels)
            if changed is not None:
                kernels[position] = changed
                moved.append(kernel.name)
        if not moved:
            return program, {}
        return program.with_sequence(kernels), {"divisions after sums": moved, "rounding": moved}


@dataclass(frozen=True)
class _Quotient:
    """A kernel that stores `dividend / divisor`, both loaded, at `store`."""

    kernel: Kernel
    dividend: Load
    divisor: Load
    operation: Operation
    store: Store


def _with_division(kernel: Kernel, kernels: Sequence[Kernel]) -> Kernel | None:
    """The kernel that divides its sums, if it multiplies with quotients that allow it; otherwise None."""
    if len(kernel.stages) != 2 or kernel.stages[1].carried or kernel.stages[0].stores or kernel.domain:
        return None
    for load in kernel.stages[0].statements:
        if not isinstance(load, Load) or load.guard or not _is_factor_of_a_sum(kernel, load):
            continue
        quotient = _quotient(load.buffer, kernel, kernels)
        if quotient is None or not _is_exponential_of_at_most_zero(quotient.dividend, quotient.kernel, kernels):
            continue
        changed = _divided(kernel, load, quotient)
        if changed is not None:
            return changed
    return None


def _is_factor_of_a_sum(kernel: Kernel, load: Load) -> bool:
    """Whether a load is a factor of the term of the only sum, which begins with 0, and nothing else."""
    stage = kernel.stages[0]
    users = [s for s in stage.statements if load.result in operand_names(s)]
    if len(stage.carried) != 1 or len(users) != 1:
        return False
    (carried,), (product,) = stage.carried, users
    made = {s.result: s for s in stage.statements}
    begin, added = made.get(carried.init), made.get(carried.next)
    later = {name for s in kernel.stages[1].statements for name in operand_names(s)}
    later |= {store.value for store in kernel.stages[1].stores}
    return (
        isinstance(product, Operation)
        and product.name == "arith.mulf"
        and product.operands.count(load.result) == 1
        and isinstance(added, Operation)
        and added.name == "arith.addf"
        and set(added.operands) == {carried.name, product.result}
        and isinstance(begin, Constant)
        and begin.bits == 0
        and not later & (set(made) - {carried.next})
        and sum(bool({product.result, carried.name, carried.next} & operand_names(s)) for s in stage.statements) == 1
    )


def _quotient(buffer: Buffer, reader: Kernel, kernels: Sequence[Kernel]) -> _Quotient | None:
    """Who stores the buffer, if it stores a quotient of two loads there which `reader` alone reads."""
    writers = [each for each in kernels if any(store.buffer is buffer for store in each.stores())]
    readers = [each for each in kernels if any(load.buffer is buffer for load in each.loads())]
    if len(writers) != 1 or readers != [reader] or not buffer.storage.is_scratch:
        return None
    (writer,) = writers
    stores = [store for store in writer.stores() if store.buffer is buffer]
    if len(stores) != 1 or stores[0].guard or writer.domain or len(writer.stages) != 1 or writer.stages[0].carried:
        return None
    made = {s.result: s for s in writer.statements()}
    division = made.get(stores[0].value)
    if not isinstance(division, Operation) or division.name != "arith.divf" or float_format(division.type) is None:
        return None
    dividend, divisor = (made.get(name) for name in division.operands)
    if not isinstance(dividend, Load) or not isinstance(divisor, Load) or dividend.guard or divisor.guard:
        return None
    return _Quotient(writer, dividend, divisor, division, stores[0])


def _divided(kernel: Kernel, load: Load, quotient: _Quotient) -> Kernel | None:
    """The kernel with the dividend in the place of `load`, and the division behind the sum; None where the divisor
    changes within a sum."""
    variables = [loop.variable for loop in quotient.kernel.loops]
    where = invert(
        linearise(quotient.store.indices, load.buffer.shape), variables, linearise(load.indices, load.buffer.shape)
    )
    if where is None:
        return None
    summed = {loop.variable for loop in kernel.loops if loop.reduced_by == 0}
    dividend = substitute_statement(quotient.dividend, where, {quotient.dividend.result: load.result})
    divisor = substitute_statement(quotient.divisor, where, {quotient.divisor.result: f"{load.result}_divisor"})
    assert isinstance(dividend, Load) and isinstance(divisor, Load)
    if summed & {v for index in divisor.indices for v in index.variables()}:
        return None
    first, last = kernel.stages
    total = first.carried[0].next
    name = f"{total}_divided"
    division = replace(quotient.operation, result=name, operands=(total, divisor.result))
    later = tuple(substitute_statement(s, {}, {total: name}) for s in last.statements)
    stores = tuple(replace(s, value=name if s.value == total else s.value) for s in last.stores)
    stages = (
        replace(first, statements=tuple(dividend if s is load else s for s in first.statements)),
        Stage((), (divisor, division, *later), stores),
    )
    return replace(kernel, stages=stages)


def _is_exponential_of_at_most_zero(load: Load, reader: Kernel, kernels: Sequence[Kernel]) -> bool:
    """Whether what is loaded is exp(x - max x), the largest of x over indices of which this one is one."""
    for writer in kernels:
        for store in writer.stores():
            if store.buffer is not load.buffer:
                continue
            made = {s.result: s for s in writer.statements()}
            exponential = made.get(store.value)
            if not isinstance(exponential, Operation) or exponential.name != "math.exp":
                return False
            difference = made.get(exponential.operands[0])
            if not isinstance(difference, Operation) or difference.name not in SUBTRACTIONS:
                return False
            value, largest = (made.get(name) for name in difference.operands)
            negated = difference.name == "arith.addf"
            if negated and isinstance(largest, Operation) and largest.name == "arith.negf":
                largest, negated = made.get(largest.operands[0]), False
            return (
                not negated
                and isinstance(value, Load)
                and isinstance(largest, Load)
                and not (value.guard or largest.guard)
                and any(_is_largest(value, largest, kernel) for kernel in kernels)
            )
    return False


def _is_largest(value: Load, largest: Load, kernel: Kernel) -> bool:
    """Whether `kernel` stores what `largest` loads: the maximum of elements of which `value` loads one."""
    stores = [store for store in kernel.stores() if store.buffer is largest.buffer]
    stage = kernel.stages[0]
    if len(stores) != 1 or len(stage.carried) != 1 or stores[0].value != stage.carried[0].next or stores[0].guard:
        return False
    made = {s.result: s for s in stage.statements}
    step = made.get(stage.carried[0].next)
    if not isinstance(step, Operation) or step.name != "arith.maximumf" or kernel.domain:
        return False
    terms = [made.get(name) for name in step.operands if name != stage.carried[0].name]
    if len(terms) != 1 or not isinstance(terms[0], Load) or terms[0].buffer is not value.buffer or terms[0].guard:
        return False
    pairs = [*zip(terms[0].indices, value.indices, strict=True), *zip(stores[0].indices, largest.indices, strict=True)]
    return _is_one_of(pairs)


def _is_one_of(pairs: Sequence[tuple[Index, Index]]) -> bool:
    """Whether values for the loop variables on the left make both sides of every pair equal, whatever those on the
    right are: each side is one variable, of the same range, or both are the same constant."""
    given: dict[Variable, Variable] = {}
    for left, right in pairs:
        if not left.terms and left == right:
            continue
        variables = list(left.variables()), list(right.variables())
        if any(len(each) != 1 for each in variables):
            return False
        (mine,), (other,) = variables
        alone = left == Index(((mine, 1),), 0) and right == Index(((other, 1),), 0)
        if not alone or mine.extent != other.extent or given.setdefault(mine, other) != other:
            return False
    return True

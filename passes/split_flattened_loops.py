"""split-flattened-loops: a loop over a flattened tensor becomes a loop for each dimension of the buffer behind it.

Before:  matmul0: for j < 2 { for k < 5472 { acc += x[k floordiv 684, (k floordiv 18) mod 38, k mod 18] · w[k, j] } }
After:   matmul0: for j < 2 { for c < 8, h < 38, w < 18 { acc += x[c, h, w] · w[684·c + 18·h + w, j] } }

needs: affine programs, before lanes are chosen.
leaves: the same iterations in the same order, so the same values. A loop stays as it is where the divisors of its
    variable do not divide each other, or where no index becomes simpler. Loops over rounds stay.
refuses: nothing.
why: banks lie along the dimensions of a buffer. Neighbouring lanes of the flattened loop are in different rows and
    planes in different iterations, so their banks are not constants, and lanes would share ports. Lanes along the
    buffer's own dimensions have banks of their own. Without lanes (`--partition 1`) nothing is gained, and nothing is
    done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from torch2hw.dialects.loops import IndexValue, Kernel
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Atom, FloorDiv, Index, Remainder, Variable, linearise, variable
from torch2hw.dialects.substitution import substitute_kernel
from torch2hw.passes.pass_context import PassContext


@dataclass(frozen=True)
class SplitFlattenedLoops:
    """The pass. It does nothing at `--partition 1`."""

    name: str = "split-flattened-loops"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The report: the extents of the new loops, by kernel."""
        if context.options.partition == 1:
            return program, {}
        report: dict[str, Any] = {}

        def changed(kernel: Kernel) -> tuple[Kernel, ...]:
            result = split(kernel)
            if result is not kernel:
                report[kernel.name] = ", ".join(f"{loop.variable.name} < {loop.extent}" for loop in result.loops)
            return (result,)

        return program.map_kernels(changed), report


def split(kernel: Kernel) -> Kernel:
    """`kernel` with the loops split whose variables are divided in its indices; the same object if there are none."""
    for loop in kernel.loops:
        if loop.in_rounds:
            continue
        sizes = extents(loop.variable, indices_of(kernel))
        if len(sizes) > 1:
            candidate = in_dimensions(kernel, loop.variable, sizes)
            if divisions(candidate) < divisions(kernel):
                kernel = candidate
    return kernel


def extents(v: Variable, indices: Iterable[Index]) -> list[int]:
    """The extents of the loops whose row-major combination is `v`, outermost first, such that each division of `v` by a
    constant in `indices` is one of them; just its own extent where the divisors do not divide each other."""
    strides = sorted({1, v.extent, *(divisor for index in indices for divisor in _divisors(v, index))})
    if any(large % small for small, large in pairwise(strides)):
        return [v.extent]
    return [large // small for small, large in pairwise(strides)][::-1]


def _divisors(v: Variable, index: Index) -> Iterator[int]:
    """The numbers below the extent of `v` that its quotients and remainders in an index divide it by."""
    for atom, _ in index.terms:
        if isinstance(atom, Variable):
            continue
        stride = _divided_by(v, atom.dividend)
        if stride and stride * atom.divisor < v.extent:
            yield stride * atom.divisor
        yield from _divisors(v, atom.dividend)


def _divided_by(v: Variable, index: Index) -> int | None:
    """d where an index is `v floordiv d`, 1 where it is `v`; None where it is neither."""
    if index.constant or len(index.terms) != 1:
        return None
    atom, coefficient = index.terms[0]
    if atom == v:
        return 1 if coefficient == 1 else None
    if isinstance(atom, FloorDiv) and coefficient == 1 and (inner := _divided_by(v, atom.dividend)):
        return inner * atom.divisor
    return None


def in_dimensions(kernel: Kernel, v: Variable, sizes: list[int]) -> Kernel:
    """`kernel` with nested loops of these extents in place of the loop over `v`."""
    made = [Variable(f"{v.name}d{number}", size) for number, size in enumerate(sizes)]
    moved = substitute_kernel(kernel, {v: linearise(map(variable, made), sizes)})
    loops = [
        replace(loop, variable=new)
        for loop in kernel.loops
        for new in (made if loop.variable == v else [loop.variable])
    ]
    return replace(moved, loops=tuple(loops))


def indices_of(kernel: Kernel) -> list[Index]:
    """All index expressions of a kernel."""
    found: list[Index] = []
    for load in kernel.loads():
        found += [*load.indices, *load.guard]
    for store in kernel.stores():
        found += [*store.indices, *store.guard]
    return [*found, *(s.index for s in kernel.statements() if isinstance(s, IndexValue))]


def divisions(kernel: Kernel) -> int:
    """Quotients and remainders in the indices of a kernel."""
    return sum(_count(atom) for index in indices_of(kernel) for atom, _ in index.terms)


def _count(atom: Atom) -> int:
    if isinstance(atom, FloorDiv | Remainder):
        return 1 + sum(_count(inner) for inner, _ in atom.dividend.terms)
    return 0

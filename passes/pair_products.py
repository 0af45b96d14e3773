"""pair-products: two sums of products of narrow integers that share an operand in each product use one DSP for both.

Before:  %p = hwlib.product %a, %x ; %next_a = addi %acc_a, (extsi %p) ; %q = hwlib.product %b, %x ; %next_b = …
After:   %both = hwlib.paired_dot %a, %b, %x ; %low = trunci %both ; %high = hwlib.upper_half %both ; …

needs: affine programs whose lanes are written out (`choose-lanes`).
leaves: the same values. A unit multiplies (a·2^18 + b) by x and adds such products of lanes that add to one sum: as
    many in all kernels, so that kernels take turns with the units (`hwlib/paired_dot.py`). Where that takes fewer
    multipliers, a sum without a partner has a unit too, with 0 for a.
refuses: nothing. Products stay as they are where lanes share no operand or can be past the end of a buffer, where an
    operand is too wide, and where other kernels need as many multipliers anyway. `--no-paired-products` turns it off,
    for devices with smaller multipliers.
why: a DSP48E2 multiplies 27 by 18 bits, and a product of codes needs 8 by 8 (9 by 8 of unsigned ones).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from torch2hw.analysis.unit_binding import unit_of
from torch2hw.dialects.loops import Constant, Kernel, Load, Operation, Source, Stage, Statement, operand_names
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.operations import operation_kind
from torch2hw.dialects.program import Program
from torch2hw.dialects.verify.kernel_accesses import can_leave
from torch2hw.hwlib import Library
from torch2hw.hwlib.paired_dot import FIELD, RESULT_BITS, most_terms
from torch2hw.passes.integer_sums import PRODUCT
from torch2hw.passes.pass_context import PassContext

PAIRED, UPPER = "hwlib.paired_dot", "hwlib.upper_half"
BOTH, HALF = f"i{RESULT_BITS}", f"i{FIELD}"


@dataclass(frozen=True)
class PairProducts:
    """The pass. It is turned off by `--no-paired-products`."""

    name: str = "pair-products"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The program; and how many multipliers there are of how many."""
        if not context.options.paired_products:
            return program, {}
        found = {kernel.name: pairs_of(kernel) for kernel in program.kernels}
        pairs = [pair for each in found.values() for pair in each]
        if not pairs:
            return program, {}
        terms, shared = min(map(terms_of, pairs)), context.options.share_units
        with_others = {
            kernel.name: [*found[kernel.name], *others(kernel, found[kernel.name], pairs[0])]
            for kernel in program.kernels
        }
        models: list[dict[str, str]] = [{}, {}]
        forms = [
            [rewritten(kernel, form[kernel.name], terms, context.library, called) for kernel in program.kernels]
            for form, called in zip((found, with_others), models, strict=True)
        ]
        before, *after = (multipliers(each, shared) for each in (program.kernels, *forms))
        if min(after) >= before:
            return program, {}
        best = after.index(min(after))
        changed = [kernel.name for kernel in program.kernels if found[kernel.name]]
        report = {"two products in one multiplier": changed, "multipliers": f"{min(after)}, not {before}"}
        return program.with_kernels(forms[best]).with_models(models[best].values()), report


@dataclass(frozen=True)
class Sum:
    """A sum of products that lanes add up: `root` has its value. `inside`: the values that are nobody else's."""

    root: Operation
    products: tuple[Operation, ...]
    inside: frozenset[str]


@dataclass(frozen=True)
class Pair:
    """Two sums; `terms` are a, b and the x that they share, of each product. Without `high`, a is `zero`."""

    high: Sum | None
    low: Sum
    terms: tuple[tuple[str, str, str], ...]
    packed: str
    shared: str

    @property
    def sums(self) -> tuple[Sum, ...]:
        """The sums that there are, the high one first."""
        return (self.low,) if self.high is None else (self.high, self.low)

    @property
    def zero(self) -> str:
        """The name of the constant that stands in the place of a."""
        return f"{self.low.root.result}_no_partner"


def pairs_of(kernel: Kernel) -> list[Pair]:
    """Pairs of sums of the first stage, each sum in one at most: the first that fit in the order of the lanes."""
    pairs: list[Pair] = []
    taken: set[str] = set()
    for first, second in combinations(sums_of(kernel), 2):
        if taken & {first.root.result, second.root.result}:
            continue
        pair = _paired(first, second)
        if pair is not None:
            pairs.append(pair)
            taken |= {first.root.result, second.root.result}
    return pairs


def others(kernel: Kernel, pairs: Sequence[Pair], like: Pair) -> list[Pair]:
    """The kernel's sums that are in none of its pairs, alone in units like those of a pair, where their types fit."""
    taken = {each.root.result for pair in pairs for each in pair.sums}
    types, found = (like.packed, like.shared), []
    for each in sums_of(kernel):
        pair = Pair(None, each, (), *types)
        terms = []
        for product in each.products:
            left, right = product.operands
            if product.operand_types == types:
                terms.append((pair.zero, left, right))
            elif product.operand_types == types[::-1]:
                terms.append((pair.zero, right, left))
        if each.root.result not in taken and len(terms) == len(each.products):
            found.append(replace(pair, terms=tuple(terms)))
    return found


def sums_of(kernel: Kernel) -> list[Sum]:
    """The sums of products that are added to the carried values of the first stage, without those of lanes that can be
    past the end of a buffer: what they find there would be in one product with what counts."""
    stage, past = kernel.stages[0], _past_the_end(kernel)
    made = {s.result: s for s in stage.statements if isinstance(s, Operation)}
    uses = Counter(name for part in kernel.stages for s in part.statements for name in operand_names(s))
    uses.update(store.value for part in kernel.stages for store in part.stores)
    found = []
    for carried in stage.carried:
        step = made.get(carried.next)
        if step is None or not operation_kind(step.name).accumulates or step.operands.count(carried.name) != 1:
            continue
        (root,) = (name for name in step.operands if name != carried.name)
        inside: set[str] = set()
        products = _products(root, made, uses, inside)
        if products is not None and root not in past:
            found.append(Sum(made[root], tuple(products), frozenset(inside)))
    return found


def _past_the_end(kernel: Kernel) -> set[str]:
    """The values of the first stage that depend on a load that can leave its buffer."""
    past: set[str] = set()
    for statement in kernel.stages[0].statements:
        if isinstance(statement, Load):
            found = can_leave(kernel, statement, 0)
        else:
            found = not past.isdisjoint(operand_names(statement))
        if found:
            past.add(statement.result)
    return past


def _products(name: str, made: Mapping[str, Operation], uses: Counter[str], inside: set[str]) -> list[Operation] | None:
    """The products that a value is the sum of, in order; None where it is not, or where a part has another use."""
    operation = made.get(name)
    if operation is None or uses[name] != 1:
        return None
    inside.add(name)
    if operation.name == PRODUCT:
        return [operation]
    if operation.name not in ("arith.extsi", "arith.addi"):
        return None
    parts = [_products(operand, made, uses, inside) for operand in operation.operands]
    return None if None in parts else [each for part in parts if part is not None for each in part]


def _paired(high: Sum, low: Sum) -> Pair | None:
    """The two sums as a pair, if they share an operand in each product and the operands' types fit a unit."""
    if len(high.products) != len(low.products) or high.root.type != low.root.type:
        return None
    terms = [_term(a, b) for a, b in zip(high.products, low.products, strict=True)]
    types = {each[1] for each in terms if each is not None}
    if None in terms or len(types) != 1:
        return None
    (packed, shared), pair = types.pop(), tuple(each[0] for each in terms if each is not None)
    fits = most_terms(number_type(packed).bits, number_type(shared).bits) > 0
    return Pair(high, low, pair, packed, shared) if fits else None


def _term(high: Operation, low: Operation) -> tuple[tuple[str, str, str], tuple[str, str]] | None:
    """a, b and x of a·x and b·x, and the types of a (and b) and x."""
    for i, j in ((0, 0), (1, 1), (0, 1), (1, 0)):
        types = high.operand_types[1 - i], high.operand_types[i]
        if high.operands[i] == low.operands[j] and types[0] == low.operand_types[1 - j]:
            return (high.operands[1 - i], low.operands[1 - j], high.operands[i]), types
    return None


def terms_of(pair: Pair) -> int:
    """How many products one unit adds: a power of two, that more kernels have."""
    most = min(len(pair.terms), most_terms(number_type(pair.packed).bits, number_type(pair.shared).bits))
    return 1 << (most.bit_length() - 1)


def rewritten(kernel: Kernel, pairs: Sequence[Pair], terms: int, library: Library, models: dict[str, str]) -> Kernel:
    """`kernel` with units of `terms` products for its pairs; software models are added to `models`, by name."""
    if not pairs:
        return kernel
    stage = kernel.stages[0]
    gone = frozenset(name for pair in pairs for each in pair.sums for name in each.inside)
    new = [statement for pair in pairs for statement in _statements(pair, terms)]
    for number, statement in enumerate(new):
        if isinstance(statement, Operation) and statement.name in (PAIRED, UPPER):
            unit = unit_of(statement, library)
            models[unit.name] = unit.software()
            new[number] = replace(statement, callee=unit.name)
    kept: list[Statement] = [s for s in stage.statements if s.result not in gone]
    first = Stage(stage.carried, in_order([*kept, *new]), stage.stores)
    return replace(kernel, stages=(first, *kernel.stages[1:]))


def _statements(pair: Pair, terms: int) -> Iterator[Operation | Constant]:
    """The sums of a pair, with the names that they had."""
    at, root = pair.sums[0].products[0].source, pair.sums[0].root.result
    names = (UPPER, "arith.trunci")[-len(pair.sums) :]
    values = list[tuple[str, ...]]()
    if pair.high is None:
        yield Constant(pair.zero, pair.packed, 0)
    for start in range(0, len(pair.terms), terms):
        several = pair.terms[start : start + terms]
        if pair.high is None:  # a whole unit, like those of pairs
            several += ((pair.zero, pair.zero, several[-1][2]),) * (terms - len(several))
        operands = tuple(term[side] for side in range(3) for term in several)
        types = (pair.packed,) * (2 * len(several)) + (pair.shared,) * len(several)
        both = f"{root}_both{start}"
        yield Operation(both, BOTH, PAIRED, operands, types, source=at)
        for each, name in zip(pair.sums, names, strict=True):
            yield Operation(f"{each.root.result}_part{start}", HALF, name, (both,), (BOTH,), source=at)
        values.append(tuple(f"{each.root.result}_part{start}" for each in pair.sums))
    for side, each in enumerate(pair.sums):
        yield from _total(each.root, [value[side] for value in values])


def _total(root: Operation, parts: list[str]) -> Iterator[Operation]:
    """`root` as the sum of parts of type HALF."""
    dtype, source, names, level = root.type, root.source, [f"{part}_sized" for part in parts], 0
    for name, part in zip(names, parts, strict=True):
        yield from _resized(name if len(parts) > 1 else root.result, dtype, part, source)
    while len(names) > 1:
        added = []
        for number in range(0, len(names) - 1, 2):
            result = root.result if len(names) == 2 else f"{root.result}_level{level}_{number // 2}"
            operands = (names[number], names[number + 1])
            yield Operation(result, dtype, "arith.addi", operands, (dtype, dtype), source=source)
            added.append(result)
        names, level = added + names[len(names) // 2 * 2 :], level + 1


def _resized(name: str, dtype: str, part: str, source: Source | None) -> Iterator[Operation]:
    """A part as a value of the sum's type, which holds it."""
    bits = number_type(dtype).bits
    if bits == FIELD:  # there is no conversion to the same type
        yield Operation(f"{name}_wide", f"i{FIELD + 1}", "arith.extsi", (part,), (HALF,), source=source)
        part, types = f"{name}_wide", (f"i{FIELD + 1}",)
    else:
        types = (HALF,)
    yield Operation(name, dtype, "arith.extsi" if bits > FIELD else "arith.trunci", (part,), types, source=source)


def in_order(statements: Sequence[Statement]) -> tuple[Statement, ...]:
    """The statements, each after those that make its operands, otherwise in the order that they have."""
    made = {s.result: s for s in statements}
    placed: dict[str, Statement] = {}

    def place(statement: Statement) -> None:
        if statement.result not in placed:
            for name in sorted(operand_names(statement)):
                if name in made:
                    place(made[name])
            placed[statement.result] = statement

    for statement in statements:
        place(statement)
    return tuple(placed.values())


def multipliers(kernels: Sequence[Kernel], shared: bool) -> int:
    """Those of both kinds of units: of each type the maximum over kernels if they share units, otherwise the sum."""
    counts: list[Counter[tuple[str, ...]]] = []
    for kernel in kernels:
        counts.append(Counter())
        for s in kernel.statements():
            if isinstance(s, Operation) and s.name in (PRODUCT, PAIRED):
                counts[-1][s.operand_types] += len(s.operands) // 3 if s.name == PAIRED else 1
    keys = set[tuple[str, ...]]().union(*counts)
    return sum((max if shared else sum)(count[key] for count in counts) for key in keys)

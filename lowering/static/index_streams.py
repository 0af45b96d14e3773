"""Loop counters of a kernel, and the integers that are functions of them (addresses, predicates), one value a cycle.

Counters hold the loop indices of the current iteration. An affine index has its own register; each step adds a constant
that depends only on which loops wrap around: one adder, no multiplier. If the strides are powers of two that do not
overlap, the bits of the counters are concatenated instead. An index with divisions that could not be simplified is
computed from the counters by a small combinational unit.
"""

from __future__ import annotations

from torch2hw.dialects.calyx_builder import ComponentBuilder, Register, Wire
from torch2hw.dialects.calyx_primitives import Primitive
from torch2hw.dialects.loops import Loop
from torch2hw.dialects.quasi_affine import FloorDiv, Index, Remainder, Variable

MAX_TABLE = 256  # a division of a range up to this is a table in LUTs
LUT_INPUTS = 6


def bits_for(values: int) -> int:
    """Bits that count `values` different values (at least one)."""
    return max(1, (values - 1).bit_length())


class IndexStreams:
    """The counters of `loops` (outermost first) in `component`. They step in the last cycle of the static group
    `group`."""

    def __init__(self, component: ComponentBuilder, loops: tuple[Loop, ...], group: str, step: Wire | None) -> None:
        self.component = component
        self.loops = [loop for loop in loops if loop.extent > 1]
        self.group = group
        self.step = step
        self.counters: dict[Variable, Register] = {}
        self.wraps: dict[Variable, Wire] = {}
        self.streams: dict[tuple[Index, int], Wire] = {}
        self.advance: dict[Variable, Wire] = {}
        self._make_counters()

    def _make_counters(self) -> None:
        component, carry = self.component, self.component.constant(1, 1)
        for loop in reversed(self.loops):
            width = bits_for(loop.extent)
            counter = component.register(loop.variable.name, width)
            self.counters[loop.variable] = counter
            wrap = component.operator("eq", counter.out, component.constant(loop.extent - 1, width), 1)
            following = component.operator("add", counter.out, component.constant(1, width))
            if loop.extent < 1 << width:
                following = component.mux(wrap, component.constant(0, width), following)
            component.assign(counter.data, following, self.group, self.step)
            component.assign(counter.enable, carry, self.group, self.step)
            self.wraps[loop.variable] = wrap
            carry = wrap if carry == component.constant(1, 1) else component.operator("and", carry, wrap)
            self.advance[loop.variable] = carry  # this loop and all inside it wrap around after this iteration

    def all_at(self, loops: list[Loop], last: bool) -> Wire:
        """High where each of `loops` is in its last (or first) iteration."""
        flags = []
        for loop in loops:
            if loop.extent > 1:
                counter = self.counters[loop.variable].out
                flags.append(
                    self.wraps[loop.variable]
                    if last
                    else self.component.operator("eq", counter, self.component.constant(0, counter.width), 1)
                )
        return self.component.conjunction(*flags)

    def at_least_zero(self, index: Index) -> Wire:
        """High where `index` ≥ 0."""
        low, high = index.bounds()
        if low >= 0:
            return self.component.constant(1, 1)
        if len(index.terms) == 1 and isinstance(index.terms[0][0], Variable):
            return self._threshold(index.terms[0][0], index.terms[0][1], index.constant)
        width = max(bits_for(high + 1), bits_for(-low)) + 1
        value = self.value(index, width)
        return self.component.operator("sge", value, self.component.constant(0, width), 1)

    def _threshold(self, item: Variable, coefficient: int, offset: int) -> Wire:
        """High where coefficient · item + offset ≥ 0: the loop's counter is compared with a constant."""
        component, counter = self.component, self.counters[item].out
        if coefficient < 0:
            last = offset // -coefficient  # item ≤ last
            if last == item.extent - 2:
                return component.negation(self.wraps[item])
            return (
                component.operator("le", counter, component.constant(max(last, 0), counter.width), 1)
                if last >= 0
                else (component.constant(0, 1))
            )
        first = -(offset // coefficient)  # item ≥ first
        return (
            component.operator("ge", counter, component.constant(first, counter.width), 1)
            if first < item.extent
            else (component.constant(0, 1))
        )

    def value(self, index: Index, width: int) -> Wire:
        """`index` modulo 2^width in the current iteration."""
        assert index.variables() <= self.counters.keys(), f"{index} does not follow from the loops alone"
        key = index, width
        if key not in self.streams:
            if index.is_constant:
                self.streams[key] = self.component.constant(index.constant, width)
            elif not index.is_affine:
                self.streams[key] = self._computed(index, width)
            else:
                self.streams[key] = self._side_by_side(index, width) or self._accumulated(index, width)
        return self.streams[key]

    def _side_by_side(self, index: Index, width: int) -> Wire | None:
        """The counters' bits concatenated, if the strides allow it."""
        parts = sorted(((stride, v) for v, stride in index.terms if isinstance(v, Variable)), key=lambda part: part[0])
        filled = 1
        for stride, item in parts:
            if stride < filled or stride & (stride - 1):
                return None
            filled = stride << bits_for(item.extent)
        if index.constant % filled:
            return None
        total: Wire | None = None
        for stride, item in parts:
            part = self.component.resize(self.counters[item].out, width)
            if stride > 1:
                part = self.component.operator("lsh", part, self.component.constant(stride.bit_length() - 1, width))
            total = part if total is None else self.component.operator("or", total, part)
        if total is not None and index.constant:
            total = self.component.operator("or", total, self.component.constant(index.constant % (1 << width), width))
        return total

    def _accumulated(self, index: Index, width: int) -> Wire:
        """A register that follows the index. It holds value xor start, so that its reset value means the first
        iteration."""
        component = self.component
        strides = [dict(index.terms).get(loop.variable, 0) for loop in self.loops]
        start = component.constant(index.constant, width)
        register = component.register(
            "at_" + "_".join(v.name for v, _ in index.terms if isinstance(v, Variable)), width
        )
        value = register.out if index.constant == 0 else component.operator("xor", register.out, start)
        # The change after an iteration in which exactly the loops inside loop number `level` wrap around.
        changes = []
        for level in range(len(self.loops)):
            inner = sum(
                s * (loop.extent - 1) for s, loop in zip(strides[level + 1 :], self.loops[level + 1 :], strict=True)
            )
            changes.append(strides[level] - inner)
        back = -sum(s * (loop.extent - 1) for s, loop in zip(strides, self.loops, strict=True))
        change = component.constant(changes[-1], width)
        for level in range(len(self.loops) - 1, 0, -1):
            change = component.mux(
                self.advance[self.loops[level].variable], component.constant(changes[level - 1], width), change
            )
        change = component.mux(self.advance[self.loops[0].variable], component.constant(back, width), change)
        following = component.operator("add", value, change)
        if index.constant:
            following = component.operator("xor", following, start)
        component.assign(register.data, following, self.group, self.step)
        component.assign(register.enable, component.constant(1, 1), self.group, self.step)
        return value

    def _computed(self, index: Index, width: int) -> Wire:
        """An index with divisions: each division of a small range is a table of its dividend; the terms are added."""
        component = self.component
        plain = Index(tuple(term for term in index.terms if isinstance(term[0], Variable)), index.constant)
        total = self.value(plain, width) if plain.terms or plain.constant else None
        for atom, coefficient in index.terms:
            if isinstance(atom, Variable):
                continue
            low, high = atom.dividend.bounds()
            if atom.dividend.is_affine and isinstance(atom, Remainder) and atom.divisor & (atom.divisor - 1) == 0:
                part = component.resize(self.value(atom.dividend, atom.divisor.bit_length() - 1), width)
            elif atom.dividend.is_affine and high - low < MAX_TABLE:
                entry = bits_for(high - low + 1)
                results = [
                    value // atom.divisor if isinstance(atom, FloorDiv) else value % atom.divisor
                    for value in range(low, high + 1)
                ]
                if entry <= LUT_INPUTS:  # of the products, too, a bit is a LUT
                    results, coefficient = [value * coefficient for value in results], 1
                part = self._table(self.value(atom.dividend + -low, entry), results, width)
            else:
                part = self._divided(atom, width)
            part = self._multiple(part, coefficient % (1 << width))
            total = part if total is None else component.operator("add", total, part)
        assert total is not None
        return total

    def _multiple(self, wire: Wire, factor: int) -> Wire:
        """wire · factor modulo 2^width as a sum of shifts; factors with more ones than zeros are negated first."""
        component, width = self.component, wire.width
        negative = factor.bit_count() > width // 2 + 1
        if negative:
            factor = -factor % (1 << width)
        total: Wire | None = None
        for bit in range(width):
            if factor >> bit & 1:
                part = component.operator("lsh", wire, component.constant(bit, width)) if bit else wire
                total = part if total is None else component.operator("add", total, part)
        total = component.constant(0, width) if total is None else total
        return component.operator("sub", component.constant(0, width), total) if negative else total

    def _table(self, place: Wire, results: list[int], width: int) -> Wire:
        """results[place] as combinational logic."""
        words = results + [results[-1]] * ((1 << place.width) - len(results))
        name = self.component.unique(f"{self.component.name}_table{len(self.streams)}")
        constants = ", ".join(
            f"{word - (1 << width) if word >> (width - 1) else word} : i{width}"
            for word in (value & ((1 << width) - 1) for value in reversed(words))
        )
        kind = f"!hw.array<{len(words)}xi{width}>"
        text = (
            f"  %words = hw.aggregate_constant [{constants}] : {kind}\n"
            f"  %word = hw.array_get %words[%place] : {kind}, i{place.width}\n"
        )
        ports = f"in %place: i{place.width}, out out: i{width}"
        definition = f"hw.module @{name}({ports}) {{\n{text}  hw.output %word : i{width}\n}}\n"
        unit = Primitive(name, (("place", place.width),), (("out", width),), False, definition)
        return self.component.instance(unit, "table", {"place": place})["out"]

    def _divided(self, atom: FloorDiv | Remainder, width: int) -> Wire:
        """A division of a large range, by a combinational divider."""
        index = Index(((atom, 1),), 0)
        used = [loop.variable for loop in self.loops if loop.variable in index.variables()]
        name = self.component.unique(f"{self.component.name}_index{len(self.streams)}")
        text, result = _division_text(index, used, width)
        ports = ", ".join(f"in %{v.name}: i{bits_for(v.extent)}" for v in used)
        definition = f"hw.module @{name}({ports}, out out: i{width}) {{\n{text}  hw.output {result} : i{width}\n}}\n"
        unit = Primitive(name, tuple((v.name, bits_for(v.extent)) for v in used), (("out", width),), False, definition)
        return self.component.instance(unit, "index", {v.name: self.counters[v].out for v in used})["out"]


def _division_text(index: Index, variables: list[Variable], width: int) -> tuple[str, str]:
    """comb operations that compute `index`, in two's complement wide enough for every intermediate value."""
    largest = [index]
    for item in largest:
        largest += [atom.dividend for atom, _ in item.terms if not isinstance(atom, Variable)]
    span = max(abs(end) for item in largest for end in item.bounds()) + max(
        [1, *(atom.divisor for item in largest for atom, _ in item.terms if not isinstance(atom, Variable))]
    )
    work = max(width, span.bit_length() + 2)
    lines: list[str] = []

    def emit(text: str) -> str:
        lines.append(f"  %w{len(lines)} = {text}\n")
        return f"%w{len(lines) - 1}"

    def number(value: int) -> str:
        return emit(f"hw.constant {value} : i{work}")

    def value_of(item: Index) -> str:
        total = number(item.constant)
        for atom, coefficient in item.terms:
            if isinstance(atom, Variable):
                bits = bits_for(atom.extent)
                zero = emit(f"hw.constant 0 : i{work - bits}")
                part = emit(f"comb.concat {zero}, %{atom.name} : i{work - bits}, i{bits}")
            else:
                low = atom.dividend.bounds()[0]
                lift = -(low // atom.divisor) if low < 0 else 0  # divide a non-negative number, then take the lift back
                dividend = value_of(atom.dividend + lift * atom.divisor)
                operator = "divu" if isinstance(atom, FloorDiv) else "modu"
                part = emit(f"comb.{operator} {dividend}, {number(atom.divisor)} : i{work}")
                if lift and isinstance(atom, FloorDiv):
                    part = emit(f"comb.sub {part}, {number(lift)} : i{work}")
            part = emit(f"comb.mul {part}, {number(coefficient)} : i{work}")
            total = emit(f"comb.add {total}, {part} : i{work}")
        return total

    result = value_of(index)
    if work != width:
        result = emit(f"comb.extract {result} from 0 : (i{work}) -> i{width}")
    return "".join(lines), result

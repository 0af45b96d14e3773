"""reroll-loops: kernels that repeat become rounds of one step: the steps of a recurrence, which PyTorch writes out.

Before:  n0: g1 = f(h0, x[1])   n1: h1 = u(g1)   n2: g2 = f(h1, x[2])   n3: h2 = u(g2)   …
After:   for t < 9 { n0: g = f(h, x[t + 1])   n1: h = u(g) }

needs: affine programs in which no more kernels will be fused; only this pass has made rounds so far.
leaves: `Rounds` of kernels; their outermost loop counts the steps. The buffers of the steps become:
    - one buffer, where only the step itself reads it;
    - one buffer, where the next step reads it, if the old value is not read after the first write of the new one;
    - a buffer with as many rows as are live at a time, used cyclically, where it is, or where later steps read it;
    - a buffer with a row for each step, where kernels outside the rounds read the values of several steps, and for
      constants that differ between steps, such as the weights of equal layers.
    Kernels that repeat and hand nothing on (the parts of a concatenation) become one kernel with one more loop.
refuses: nothing.
why: all steps run on the hardware of one, so area and compile time do not grow with the length of the sequence. The
    order of the steps is kept, so no value changes.
source: loop rerolling, the search for equal statements at equal distances; LLVM's LoopReroll does it for scalars.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from typing import Any

import numpy as np

from torch2hw.analysis.lifetimes import elementwise
from torch2hw.dialects.loops import Buffer, IndexValue, Kernel, Load, Loop, Operation, Stage, Statement
from torch2hw.dialects.program import Node, Program, Rounds
from torch2hw.dialects.quasi_affine import Index, Variable, variable
from torch2hw.dialects.substitution import Access, substitute_statement, substitute_store, with_accesses
from torch2hw.passes.pass_context import PassContext


@dataclass(frozen=True)
class RerollLoops:
    """The pass. It is turned off by `--no-fused-loops`. `min_steps`: of a repetition."""

    name: str = "reroll-loops"
    source: str = "affine"
    target: str = "affine"
    min_steps: int = 3

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The report: the kernels of a step and the number of steps of each repetition."""
        report: dict[str, Any] = {}
        if not context.options.fuse_loops:
            return program, report
        forms = forms_of(program)
        position = 0
        while position < len(program.kernels):
            found = longest_repeat(program, forms, position, self.min_steps)
            if found is None:
                position += 1
                continue
            program = found.rerolled()
            forms = forms_of(program)
            what = (
                f"{found.kernels} kernels in {found.steps} steps"
                if found.handed_on
                else f"{found.steps} kernels in one"
            )
            report[found.first_kernel.name] = what
            position = found.start + found.kernels
        return program, report


# -- what a kernel is, but for constants in its indices and the buffers that it touches
@dataclass(frozen=True)
class Form:
    """`key` is equal for kernels that do the same to buffers of the same kinds and shapes. `offsets` are the constants
    of all its indices, in the order of `Repeat._round`."""

    key: Hashable
    offsets: tuple[int, ...]
    loaded: tuple[Buffer, ...]
    stored: tuple[Buffer, ...]


def forms_of(program: Program) -> list[Form]:
    """The forms of all kernels; their keys are numbers."""
    numbers: dict[Hashable, int] = {}
    forms = [form_of(kernel) for kernel in program.kernels]
    return [replace(form, key=numbers.setdefault(form.key, len(numbers))) for form in forms]


def form_of(kernel: Kernel) -> Form:
    """The form of one kernel: its variables and values renamed by position, the constants of its indices set aside."""
    places: dict[Variable, Index] = {
        loop.variable: variable(Variable(f"i{number}", loop.extent)) for number, loop in enumerate(kernel.loops)
    }
    names: dict[str, str] = {}
    for stage in kernel.stages:
        for name in (*(carried.name for carried in stage.carried), *(s.result for s in stage.statements)):
            names[name] = f"v{len(names)}"
    offsets: list[int] = []

    def shape_of(indices: Sequence[Index]) -> Hashable:
        offsets.extend(index.constant for index in indices)
        return tuple(index.terms for index in indices)

    def kind(buffer: Buffer) -> Hashable:
        return buffer.storage, buffer.shape, buffer.dtype

    key: list[Hashable] = [tuple((loop.extent, loop.reduced_by) for loop in kernel.loops), kernel.lanes]
    key.append(shape_of([index.substitute(places) for index in kernel.domain]))
    for stage in kernel.stages:
        key.append(tuple((names[c.name], c.type, names[c.init], names[c.next]) for c in stage.carried))
        for old in stage.statements:
            new = substitute_statement(old, places, names)
            if isinstance(new, Load):
                places_read = shape_of(new.indices), shape_of(new.guard)
                key.append((new.result, new.type, kind(new.buffer), *places_read, new.otherwise_bits))
            elif isinstance(new, IndexValue):
                key.append((new.result, new.type, shape_of([new.index])))
            else:
                key.append(replace(new, source=None) if isinstance(new, Operation) else new)
        for store in stage.stores:
            moved = substitute_store(store, places, names)
            key.append((moved.value, kind(moved.buffer), shape_of(moved.indices), shape_of(moved.guard)))
    loaded = tuple(load.buffer for load in kernel.loads())
    return Form(tuple(key), tuple(offsets), loaded, tuple(store.buffer for store in kernel.stores()))


# -- where kernels repeat
def longest_repeat(program: Program, forms: Sequence[Form], start: int, min_steps: int) -> Repeat | None:
    """The repetition that saves the most kernels of those that begin at `start`, or within its first step; of equal
    ones that which hands on the fewest buffers, then the first."""
    best = _longest_from(program, forms, start, min_steps)
    if best is None:
        return None
    others = (_longest_from(program, forms, start + k, min_steps) for k in range(1, best.kernels))
    return min([best, *(o for o in others if o is not None)], key=lambda r: (-r.saved, len(r.handed_on), r.start))


def _longest_from(program: Program, forms: Sequence[Form], start: int, min_steps: int) -> Repeat | None:
    best: Repeat | None = None
    for kernels in range(1, (len(forms) - start) // min_steps + 1):
        end = start + kernels
        while end < len(forms) and forms[end].key == forms[end - kernels].key:
            end += 1
        for steps in range((end - start) // kernels, min_steps - 1, -1):
            if best is not None and kernels * (steps - 1) <= best.saved:
                break
            repeat = Repeat(program, forms, start, kernels, steps)
            if repeat.valid:
                best = repeat
                break
    return best


@dataclass(frozen=True)
class Home:
    """The buffer that another one has become, and in which of its rows it is, if it has rows."""

    buffer: Buffer
    rows: tuple[Index, ...] = ()


def at_home(access: Access, home: Home | None) -> Access:
    """The load or store on the buffer that its own has become; `home` None leaves it."""
    if home is None:
        return access
    return replace(access, buffer=home.buffer, indices=home.rows + access.indices)


@dataclass(frozen=True)
class Chain:
    """A buffer of each step, `written` there, and those that steps `before` would have written, oldest first."""

    written: tuple[Buffer, ...]
    before: tuple[Buffer, ...]

    def seen(self, lag: int) -> tuple[Buffer, ...]:
        """In every step the buffer of the step `lag` before."""
        first = len(self.before) - lag
        return (*self.before, *self.written)[first : first + len(self.written)]


@dataclass(frozen=True, eq=False)
class Repeat:
    """`steps` times `kernels` kernels from `start` on, of equal forms."""

    program: Program
    forms: Sequence[Form]
    start: int
    kernels: int
    steps: int

    @property
    def saved(self) -> int:
        """Kernels fewer than before."""
        return self.kernels * (self.steps - 1)

    @property
    def first_kernel(self) -> Kernel:
        """The first kernel of the first step."""
        return self.program.kernels[self.start]

    def at(self, kernel: int, step: int) -> int:
        """The index in the program of a step's kernel."""
        return self.start + step * self.kernels + kernel

    def steps_of(self, kernel: int) -> list[Form]:
        """The forms of one kernel of the step, in all steps."""
        return [self.forms[self.at(kernel, step)] for step in range(self.steps)]

    @cached_property
    def outside(self) -> list[tuple[int, Kernel]]:
        """The kernels of the program before and after the repetition, with their indices."""
        end = self.at(0, self.steps)
        return [(k, kernel) for k, kernel in enumerate(self.program.kernels) if not self.start <= k < end]

    @cached_property
    def loaded(self) -> list[list[tuple[Buffer, ...]]]:
        """For every kernel and each of its loads the buffer in every step."""
        return [in_steps(form.loaded for form in self.steps_of(n)) for n in range(self.kernels)]

    @cached_property
    def stored(self) -> list[list[tuple[Buffer, ...]]]:
        """For every kernel and each of its stores the buffer in every step."""
        return [in_steps(form.stored for form in self.steps_of(n)) for n in range(self.kernels)]

    @cached_property
    def chains(self) -> list[Chain] | None:
        """What the steps write, each in a buffer of its own; None if it cannot be told from where they read."""
        written = dict.fromkeys(each for kernel in self.stored for each in kernel if not same(each))
        known = {buffer for each in written for buffer in each}
        if len(known) < len(written) * self.steps or any(not each[0].storage.is_scratch for each in written):
            return None
        before: dict[tuple[Buffer, ...], dict[int, Buffer]] = {each: {} for each in written}
        for each in (each for kernel in self.loaded for each in kernel):
            if (same(each) and each[0] not in known) or each in written:
                continue
            found = self._source(each, list(written))
            if found is not None:
                chain, lag = found
                for step, buffer in enumerate(each[:lag]):
                    if before[chain].setdefault(lag - step, buffer) is not buffer:
                        return None
            elif not all(buffer.storage.is_read_only for buffer in each):
                return None
        earlier = [buffer for lags in before.values() for buffer in lags.values()]
        if len(set(earlier)) < len(earlier) or known & set(earlier):
            return None
        kept = {each[0] for kernel in (*self.loaded, *self.stored) for each in kernel if same(each)}
        if any(not buffer.storage.is_scratch or buffer in kept for buffer in earlier):
            return None
        return [Chain(each, tuple(lags[k] for k in sorted(lags, reverse=True))) for each, lags in before.items()]

    def _source(
        self, read: tuple[Buffer, ...], written: Sequence[tuple[Buffer, ...]]
    ) -> tuple[tuple[Buffer, ...], int] | None:
        """The buffers of which a load reads those of an earlier step, and how many steps earlier."""
        for each in written:
            for lag in range(1, self.steps):
                if read[lag:] == each[: self.steps - lag]:
                    return each, lag
        return None

    @cached_property
    def handed_on(self) -> list[Chain]:
        """The chains that a step reads from a step before it."""
        return [chain for chain in self.chains or [] if chain.before]

    @cached_property
    def valid(self) -> bool:
        """Whether one step's kernels in rounds compute the same: all offsets advance evenly, and steps depend on each
        other only by what they hand on.
        """
        if self.chains is None or self._is_in_rounds:
            return False
        for kernel in range(self.kernels):
            rows = np.array([form.offsets for form in self.steps_of(kernel)])
            if rows.size and (np.diff(rows, axis=0) != rows[1] - rows[0]).any():
                return False
        if self.handed_on:
            return True
        alone = self.kernels == 1 and all(map(same, (*self.loaded[0], *self.stored[0])))
        return alone and not set(self.loaded[0]) & set(self.stored[0]) and self._apart()

    @property
    def _is_in_rounds(self) -> bool:
        """Whether one of its kernels is in rounds already."""
        return any(kernel.is_in_rounds for kernel in self.program.kernels[self.start : self.at(0, self.steps)])

    def _apart(self) -> bool:
        """Whether no two steps of a kernel store to one element: in some dimension each step has places of its own."""
        first, second = (list(self.program.kernels[self.at(0, step)].stores()) for step in (0, 1))
        for buffer in {store.buffer for store in first}:
            places = [
                [(old, new.constant - old.constant) for old, new in zip(was.indices, now.indices, strict=True)]
                for was, now in zip(first, second, strict=True)
                if was.buffer is buffer
            ]
            if not any(map(_steps_apart, zip(*places, strict=True))):
                return False
        return True

    # -- what it becomes -----------------------------------------------------------------------------------------------
    def rerolled(self) -> Program:
        """The program with one step's kernels, in rounds."""
        step = Variable("it", self.steps)
        moved, elsewhere = self._homes(variable(step))
        group = [self._round(kernel, step, moved) for kernel in range(self.kernels)]

        def at_place(access: Access) -> Access:
            return at_home(access, elsewhere.get(access.buffer))

        nodes: dict[int, list[Node]] = {k: [with_accesses(kernel, at_place)] for k, kernel in self.outside}
        nodes[self.start] = [Rounds(self.steps, tuple(group))] if self.handed_on else [*group]
        numbers = count()
        return self.program.map_kernels(lambda _: nodes.get(next(numbers), []))

    def _homes(self, step: Index) -> tuple[dict[tuple[Buffer, ...], Home], dict[Buffer, Home]]:
        """Where the buffers of the steps are in the steps' kernels, and where each is elsewhere."""
        moved: dict[tuple[Buffer, ...], Home] = {}
        elsewhere: dict[Buffer, Home] = {}
        loaded = dict.fromkeys(each for kernel in self.loaded for each in kernel)
        kept = self.touched_elsewhere[0] | {each[0] for each in loaded if same(each)}
        names = {buffer.name for buffer in kept}
        for each in loaded:
            if not same(each) and all(buffer.storage.is_read_only for buffer in each):
                data = np.stack([buffer.data for buffer in each if buffer.data is not None])
                name = self._name_beside(each[0].name, names)
                rows = replace(each[0], name=name, shape=(self.steps, *each[0].shape), data=data)
                moved[each] = Home(rows, (step,))
                names.add(name)
        for chain in self.chains or []:
            every = (*chain.before, *chain.written)
            lags = range(len(chain.before) + 1)
            if self._stays(chain):
                moved |= {chain.seen(lag): Home(chain.written[0]) for lag in lags}
                elsewhere |= {buffer: Home(chain.written[0]) for buffer in every}
                continue
            rows_kept = len(lags) if self._unread_elsewhere(chain) else len(every)
            rows = replace(chain.written[0], shape=(rows_kept, *chain.written[0].shape))
            for lag in lags:
                moved[chain.seen(lag)] = Home(rows, ((step + (len(chain.before) - lag)).remainder(rows_kept),))
            elsewhere |= {buffer: Home(rows, (Index((), row % rows_kept),)) for row, buffer in enumerate(every)}
        return moved, elsewhere

    def _name_beside(self, name: str, names: set[str]) -> str:
        """`name` for the rows of constants, or where the first of them stays in use, one that no buffer has."""
        if name not in names:
            return name
        every = names | {buffer.name for buffer in self.program.buffers()}
        return next(other for other in (f"{name}_rows{number or ''}" for number in count()) if other not in every)

    @cached_property
    def touched_elsewhere(self) -> tuple[set[Buffer], set[Buffer], set[Buffer]]:
        """The buffers that other kernels read, those that they write, and those that the ones after the steps touch."""
        read = {load.buffer for _, kernel in self.outside for load in kernel.loads()}
        written = {store.buffer for _, kernel in self.outside for store in kernel.stores()}
        after = (kernel.buffers() for position, kernel in self.outside if position > self.start)
        return read, written, set().union(*after)

    def _unread_elsewhere(self, chain: Chain) -> bool:
        """Whether kernels elsewhere only write what is before the first step, and only read what the last one
        writes."""
        read, written, after = self.touched_elsewhere
        return not (read & set(chain.written[:-1]) or written & set(chain.written) or after & set(chain.before))

    def _stays(self, chain: Chain) -> bool:
        """Whether one buffer is enough: no value is wanted any more when the next step's is written over it."""
        if not self._unread_elsewhere(chain) or len(chain.before) > 1:
            return False
        if not chain.before:
            return True
        writer = next(n for n in range(self.kernels) if chain.written in self.stored[n])
        readers = [n for n in range(self.kernels) if chain.seen(1) in self.loaded[n]]
        return all(reader < writer or (reader == writer and self._in_place(chain, writer)) for reader in readers)

    def _in_place(self, chain: Chain, kernel: int) -> bool:
        """Whether every iteration of a kernel reads the old value only where it writes the new one."""
        every = (*chain.before, *chain.written)
        return all(
            elementwise(self.program.kernels[self.at(kernel, step)], every[step], every[step + 1]) for step in (0, 1)
        )

    def _round(self, number: int, step: Variable, moved: dict[tuple[Buffer, ...], Home]) -> Kernel:
        """A kernel of the first step with the loop over the steps around it."""
        kernel = self.program.kernels[self.at(number, 0)]
        first, second = self.steps_of(number)[:2]
        strides = iter([later - earlier for earlier, later in zip(first.offsets, second.offsets, strict=True)])
        homes = {True: iter(self.loaded[number]), False: iter(self.stored[number])}

        def shifted(indices: Sequence[Index]) -> tuple[Index, ...]:
            return tuple(index + variable(step) * next(strides) for index in indices)

        def in_rounds(access: Access) -> Access:
            there = replace(access, indices=shifted(access.indices), guard=shifted(access.guard))
            return at_home(there, moved.get(next(homes[isinstance(access, Load)])))

        def statement(old: Statement) -> Statement:
            if isinstance(old, IndexValue):
                (index,) = shifted([old.index])
                return replace(old, index=index)
            return in_rounds(old) if isinstance(old, Load) else old

        domain = shifted(kernel.domain)
        stages = tuple(
            Stage(stage.carried, tuple(map(statement, stage.statements)), tuple(map(in_rounds, stage.stores)))
            for stage in kernel.stages
        )
        macs = sum(self.program.kernels[self.at(number, k)].macs for k in range(self.steps))
        loops = (Loop(step, in_rounds=bool(self.handed_on)), *kernel.loops)
        return replace(kernel, loops=loops, stages=stages, domain=domain, macs=macs)


def _steps_apart(indices: Sequence[tuple[Index, int]]) -> bool:
    """Whether the values of all these indices together, each moved by its stride, are apart from what they were."""
    bounds = [index.bounds() for index, _ in indices]
    strides = {stride for _, stride in indices}
    return len(strides) == 1 and abs(strides.pop()) > max(high for _, high in bounds) - min(low for low, _ in bounds)


def in_steps(accesses: Iterable[tuple[Buffer, ...]]) -> list[tuple[Buffer, ...]]:
    """For every access the buffers of all steps, from those of every step the buffers of all accesses."""
    return list(zip(*accesses, strict=True))


def same(buffers: Sequence[Buffer]) -> bool:
    """Whether all steps use one buffer."""
    return all(buffer is buffers[0] for buffer in buffers)

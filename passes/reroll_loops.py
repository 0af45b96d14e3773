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

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from typing import Any

import numpy as np

from torch2hw.analysis.kernel_forms import forms_of
from torch2hw.analysis.lifetimes import elementwise
from torch2hw.analysis.repetitions import Chain, Repeat, longest_repeat, same
from torch2hw.dialects.loops import Buffer, IndexValue, Kernel, Load, Loop, Stage, Statement
from torch2hw.dialects.program import Node, Program, Rounds
from torch2hw.dialects.quasi_affine import Index, Variable, variable
from torch2hw.dialects.substitution import Access, with_accesses
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
            program = Rerolling(found).program()
            forms = forms_of(program)
            what = (
                f"{found.kernels} kernels in {found.steps} steps"
                if found.handed_on
                else f"{found.steps} kernels in one"
            )
            report[found.first_kernel.name] = what
            position = found.start + found.kernels
        return program, report


@dataclass(frozen=True)
class Home:
    """The buffer that replaces another one, and the row index in it, if it has rows."""

    buffer: Buffer
    rows: tuple[Index, ...] = ()


def at_home(access: Access, home: Home | None) -> Access:
    """The same access to the buffer that replaces its own; `home` None leaves it unchanged."""
    if home is None:
        return access
    return replace(access, buffer=home.buffer, indices=home.rows + access.indices)


@dataclass(frozen=True, eq=False)
class Rerolling:
    """The rewriting of one repetition."""

    repeat: Repeat

    def program(self) -> Program:
        """The program with one step's kernels, in rounds."""
        step = Variable("it", self.repeat.steps)
        moved, elsewhere = self._homes(variable(step))
        group = [self._round(kernel, step, moved) for kernel in range(self.repeat.kernels)]

        def at_place(access: Access) -> Access:
            return at_home(access, elsewhere.get(access.buffer))

        nodes: dict[int, list[Node]] = {k: [with_accesses(kernel, at_place)] for k, kernel in self.repeat.outside}
        nodes[self.repeat.start] = [Rounds(self.repeat.steps, tuple(group))] if self.repeat.handed_on else [*group]
        numbers = count()
        return self.repeat.program.map_kernels(lambda _: nodes.get(next(numbers), []))

    def _homes(self, step: Index) -> tuple[dict[tuple[Buffer, ...], Home], dict[Buffer, Home]]:
        """What replaces the buffers of the steps: in the kernels of the step, and in all other kernels."""
        moved: dict[tuple[Buffer, ...], Home] = {}
        elsewhere: dict[Buffer, Home] = {}
        loaded = dict.fromkeys(each for kernel in self.repeat.loaded for each in kernel)
        kept = self._touched_elsewhere[0] | {each[0] for each in loaded if same(each)}
        names = {buffer.name for buffer in kept}
        for each in loaded:
            if not same(each) and all(buffer.storage.is_read_only for buffer in each):
                data = np.stack([buffer.data for buffer in each if buffer.data is not None])
                name = self._name_beside(each[0].name, names)
                rows = replace(each[0], name=name, shape=(self.repeat.steps, *each[0].shape), data=data)
                moved[each] = Home(rows, (step,))
                names.add(name)
        for chain in self.repeat.chains or []:
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
        """`name` for the rows of constants; a new name if the first of these constants stays in use under its own."""
        if name not in names:
            return name
        every = names | {buffer.name for buffer in self.repeat.program.buffers()}
        return next(other for other in (f"{name}_rows{number or ''}" for number in count()) if other not in every)

    @cached_property
    def _touched_elsewhere(self) -> tuple[set[Buffer], set[Buffer], set[Buffer]]:
        """The buffers that other kernels read, those that they write, and those that kernels after the steps use."""
        read = {load.buffer for _, kernel in self.repeat.outside for load in kernel.loads()}
        written = {store.buffer for _, kernel in self.repeat.outside for store in kernel.stores()}
        after = (kernel.buffers() for position, kernel in self.repeat.outside if position > self.repeat.start)
        return read, written, set().union(*after)

    def _unread_elsewhere(self, chain: Chain) -> bool:
        """Whether other kernels write only what precedes the first step, and read only what the last step writes."""
        read, written, after = self._touched_elsewhere
        return not (read & set(chain.written[:-1]) or written & set(chain.written) or after & set(chain.before))

    def _stays(self, chain: Chain) -> bool:
        """Whether one buffer is enough: no value is read after the next step has overwritten it."""
        if not self._unread_elsewhere(chain) or len(chain.before) > 1:
            return False
        if not chain.before:
            return True
        writer = next(n for n in range(self.repeat.kernels) if chain.written in self.repeat.stored[n])
        readers = [n for n in range(self.repeat.kernels) if chain.seen(1) in self.repeat.loaded[n]]
        return all(reader < writer or (reader == writer and self._in_place(chain, writer)) for reader in readers)

    def _in_place(self, chain: Chain, kernel: int) -> bool:
        """Whether every iteration of a kernel reads the old value only at the element that it overwrites."""
        every = (*chain.before, *chain.written)
        return all(elementwise(self.repeat.kernel(kernel, step), every[step], every[step + 1]) for step in (0, 1))

    def _round(self, number: int, step: Variable, moved: dict[tuple[Buffer, ...], Home]) -> Kernel:
        """A kernel of the first step with a loop over the steps around it."""
        kernel = self.repeat.kernel(number, 0)
        first, second = self.repeat.steps_of(number)[:2]
        strides = iter([later - earlier for earlier, later in zip(first.offsets, second.offsets, strict=True)])
        homes = {True: iter(self.repeat.loaded[number]), False: iter(self.repeat.stored[number])}

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
        macs = sum(self.repeat.kernel(number, k).macs for k in range(self.repeat.steps))
        loops = (Loop(step, in_rounds=bool(self.repeat.handed_on)), *kernel.loops)
        return replace(kernel, loops=loops, stages=stages, domain=domain, macs=macs)

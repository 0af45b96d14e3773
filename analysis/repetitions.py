"""Repetitions in a program: groups of kernels of equal form that follow each other, and the buffers between them.

A repetition has steps, and each step the same number of kernels. Buffers that the steps write, and that a later step
reads, form a `Chain`. `reroll-loops` runs one step's kernels in rounds instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from torch2hw.analysis.kernel_forms import Form
from torch2hw.dialects.loops import Buffer, Kernel
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Index


def longest_repeat(program: Program, forms: Sequence[Form], start: int, min_steps: int) -> Repeat | None:
    """The repetition that saves the most kernels, among those that begin at `start` or within its first step. Of equal
    ones, the one that hands on the fewest buffers, then the first."""
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
class Chain:
    """A buffer of each step, `written` by it, and the buffers `before` that earlier steps would have written, oldest
    first."""

    written: tuple[Buffer, ...]
    before: tuple[Buffer, ...]

    def seen(self, lag: int) -> tuple[Buffer, ...]:
        """For every step, the buffer of the step `lag` steps earlier."""
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
        """By how many the kernels become fewer."""
        return self.kernels * (self.steps - 1)

    @property
    def first_kernel(self) -> Kernel:
        """The first kernel of the first step."""
        return self.program.kernels[self.start]

    def at(self, number: int, step: int) -> int:
        """The index in the program of kernel `number` of a step."""
        return self.start + step * self.kernels + number

    def kernel(self, number: int, step: int) -> Kernel:
        """Kernel `number` of a step."""
        return self.program.kernels[self.at(number, step)]

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
        """The buffers that the steps write, a chain for each buffer of a step; None if the loads do not show which
        step's buffer they read."""
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
        """The chain that a load reads with a lag, and the lag in steps; None if there is none."""
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
        other only through chains."""
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
        """Whether no two steps of a kernel store to one element: in some dimension, every step has its own indices."""
        first, second = (list(self.kernel(0, step).stores()) for step in (0, 1))
        for buffer in {store.buffer for store in first}:
            places = [
                [(old, new.constant - old.constant) for old, new in zip(was.indices, now.indices, strict=True)]
                for was, now in zip(first, second, strict=True)
                if was.buffer is buffer
            ]
            if not any(map(_steps_apart, zip(*places, strict=True))):
                return False
        return True


def _steps_apart(indices: Sequence[tuple[Index, int]]) -> bool:
    """Whether the ranges of these indices, taken together, do not overlap from one step to the next."""
    bounds = [index.bounds() for index, _ in indices]
    strides = {stride for _, stride in indices}
    return len(strides) == 1 and abs(strides.pop()) > max(high for _, high in bounds) - min(low for low, _ in bounds)


def in_steps(accesses: Iterable[tuple[Buffer, ...]]) -> list[tuple[Buffer, ...]]:
    """For every access the buffers of all steps, given the buffers of all accesses for every step."""
    return list(zip(*accesses, strict=True))


def same(buffers: Sequence[Buffer]) -> bool:
    """Whether all steps use one buffer."""
    return all(buffer is buffers[0] for buffer in buffers)

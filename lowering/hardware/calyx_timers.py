"""Timers of static windows.

A window starts in a cycle in which `start` is high and lasts `latency_cycles` cycles. `following` is high in the
cycle after its last one, and never depends on `start` in the same cycle. Hardware is made only for signals that are
asked for:

- One cycle: `start` itself; `following` is a flip-flop.
- A few cycles: a chain of flip-flops, no logic.
- More: a down counter with one extra bit, a sign, which ends the window without a comparison. It is held at its first
  value while no window is open: synthesis uses the set and reset pins of the flip-flops for that.
"""

from __future__ import annotations

from functools import cached_property

from torch2hw.lowering.hardware.hw_text import HwBody

_MAX_CHAIN_CYCLES = 4


class Window:
    """A window of `latency_cycles` cycles. The names of its registers begin with `hint`."""

    def __init__(self, body: HwBody, hint: str, start: str, latency_cycles: int) -> None:
        assert latency_cycles >= 1
        self.body, self.hint, self.start, self.latency_cycles = body, hint, start, latency_cycles
        self.chain = [start]

    @property
    def chained(self) -> bool:
        """Whether it is a chain of flip-flops, not a counter."""
        return self.latency_cycles <= _MAX_CHAIN_CYCLES

    def _stage(self, cycle: int) -> str:
        while len(self.chain) <= cycle:
            self.chain.append(self.body.flag(f"{self.hint}_cycle{len(self.chain)}", self.chain[-1]))
        return self.chain[cycle]

    @cached_property
    def following(self) -> str:
        """High in the cycle after the window."""
        if self.chained:
            return self._stage(self.latency_cycles)
        return self.body.flag(f"{self.hint}_end", self._last)

    @cached_property
    def active(self) -> str:
        """High in each cycle of the window."""
        if self.chained:
            return self.body.any_of(*(self._stage(cycle) for cycle in range(self.latency_cycles)))
        return self.body.call(self.body.any_of(self.start, self._running), f"{self.hint}_active")

    def during(self, first: int, last: int) -> str:
        """High in cycles `first` to `last` of the window."""
        last = min(last, self.latency_cycles - 1)
        if first == 0 and last == 0:
            return self.start
        if first == 0 and last == self.latency_cycles - 1:
            return self.active
        if self.chained:
            return self.body.any_of(*(self._stage(cycle) for cycle in range(first, last + 1)))
        if first == self.latency_cycles - 1:
            return self._last
        if first == last == 1:
            return self._stage(1)
        initial = self.latency_cycles - 2
        if first == last:
            return self.body.all_of(self.active, self._compare("eq", initial - first))
        not_before = self.body.one if first == 0 else self._compare("sle", initial - first)
        return self.body.all_of(self.active, not_before, self._compare("sge", initial - last))

    # -- the counter: latency - 2 in cycle 0, -1 in the last cycle
    @property
    def _width(self) -> int:
        return (self.latency_cycles - 2).bit_length() + 1

    def _compare(self, predicate: str, value: int) -> str:
        other = self.body.constant(value & (1 << self._width) - 1, self._width)
        return self.body.shared("at", f"comb.icmp {predicate} {self._count}, {other} : i{self._width}")

    @property
    def _count(self) -> str:
        return self._counter[0]

    @property
    def _last(self) -> str:
        return self._counter[1]

    @property
    def _running(self) -> str:
        return self._counter[2]

    @cached_property
    def _counter(self) -> tuple[str, str, str]:
        """The count, the last cycle, and the cycles after the first."""
        body, width = self.body, self._width
        count, running = body.name(f"{self.hint}_count"), body.name(f"{self.hint}_running")
        last = body.extract(count, width - 1, 1, width)
        goes_on = body.all_of(body.any_of(self.start, running), body.invert(last))
        body.call(goes_on, f"{self.hint}_goes_on")
        body.register(running, goes_on, 1)
        less = body.shared("less", f"comb.add {count}, {body.constant((1 << width) - 1, width)} : i{width}")
        idle = body.call(body.any_of(body.reset, body.invert(goes_on)), f"{self.hint}_rewind")
        body.register(count, less, width, reset=idle, start=self.latency_cycles - 2)
        return count, last, running


class Iterations:
    """Repeats a body `count` times. `restart` starts the body again after each run but the last; `following` ends the
    loop. `body_end` is high in the cycle after a run of the body. The counter is that of `Window`, with a step for each
    run."""

    def __init__(self, body: HwBody, hint: str, body_end: str, count: int) -> None:
        assert count >= 2
        width = (count - 2).bit_length() + 1
        counter = body.name(f"{hint}_left")
        final = body.extract(counter, width - 1, 1, width)
        self.following = body.all_of(body_end, final)
        self.restart = body.all_of(body_end, body.invert(final))
        less = body.shared("less", f"comb.add {counter}, {body.constant((1 << width) - 1, width)} : i{width}")
        body.register(
            counter, less, width, enable=body_end, reset=body.any_of(body.reset, self.following), start=count - 2
        )

"""The cycles in which a kernel's statements run: the record that `affine_to_scheduled` adds to each kernel."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(eq=False)
class Schedule:
    """A modulo schedule: iteration n of the kernel starts in cycle n · `interval_cycles` after the kernel's start.

    | field             | meaning                                                                                  |
    |-------------------|------------------------------------------------------------------------------------------|
    | `interval_cycles` | the initiation interval (II)                                                             |
    | `start`           | by value name: the cycle of its iteration in which the statement starts (constants: none) |
    | `ready`           | by value name: the cycle of its iteration in which the value is there (constants: none)  |
    | `store_cycles`    | the cycle of its iteration in which each store happens, in the order of `stores()`       |
    | `depth_cycles`    | cycles from an iteration's first to past its last store                                  |
    """

    interval_cycles: int
    start: dict[str, int] = field(default_factory=dict)
    ready: dict[str, int] = field(default_factory=dict)
    store_cycles: list[int] = field(default_factory=list)
    depth_cycles: int = 0

    def latency_cycles(self, trip_count: int) -> int:
        """Cycles from the first iteration's first cycle until all stores of `trip_count` iterations are done."""
        return (trip_count - 1) * self.interval_cycles + self.depth_cycles

"""How long `--interface axi` takes, at a memory that always accepts and answers in the next cycle.

Tensors begin at multiples of 4 KiB. Cycles are counted from the one in which a run is taken, as the register `cycles`
does. `lowering/hardware/axi_reader` and `axi_writer` are what is described here:

- the first request goes out in cycle 1, the first beat comes in cycle 2; inputs follow each other without a gap;
- the core starts in the cycle after the last beat; the first group of an output is at its memories 3 cycles after
  `done`, and a beat is offered once all its groups are there;
- a burst is asked for while its first beat waits, and costs one cycle; a beat costs as many as it has groups;
- a run is finished 2 cycles after its last beat, and the next one's first burst is asked for 2 cycles after that.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch2hw.dialects.stream_layout import StreamLayout

PAGE_BYTES = 4096
MAX_BURST_BEATS = 256
MEMORY_LATENCY_CYCLES = 1
"""From an accepted request to its first beat of data, and from a last beat to its response."""
FROM_PAGE_TO_BEAT = 1  # from the cycle in which an output's page is full to that of a beat of one group
BETWEEN_RUNS = 4  # from the last beat of a run to the request of the next one's first burst
UNTIL_FINISHED = 2  # from the last beat of a run to the cycle in which it is finished


def window_beats(data_bits: int) -> int:
    """Beats of the longest burst."""
    return min(MAX_BURST_BEATS, PAGE_BYTES * 8 // data_bits)


def run_cycles(latency_cycles: int, inputs: Sequence[StreamLayout], outputs: Sequence[StreamLayout]) -> int:
    """Cycles of a run that is alone, as the register `cycles` tells them."""
    fetched = MEMORY_LATENCY_CYCLES + sum(layout.cycles for layout in inputs) if inputs else 1
    page = fetched + 1 + latency_cycles + 1
    return _written(outputs, [page] * len(outputs), 0)[-1] + UNTIL_FINISHED


def run_interval(latency_cycles: int, inputs: Sequence[StreamLayout], outputs: Sequence[StreamLayout]) -> int:
    """Cycles from one result to the next in the steady state, where starts wait for nothing."""
    reading = sum(layout.cycles for layout in inputs) + 1 + MEMORY_LATENCY_CYCLES if inputs else 0
    ends, writing = [0] * len(outputs), 0
    for _ in range(len(outputs) + 2):  # each run begins while the beats before it are still on their way
        following = _written(outputs, ends, ends[-1] + BETWEEN_RUNS)
        ends, writing = following, following[-1] - ends[-1]
    return max(latency_cycles + 1, reading, writing)


def _written(outputs: Sequence[StreamLayout], since: Sequence[int], first: int) -> list[int]:
    """The cycle of each output's last beat. `since`: the first cycle in which its memories may be read; `first`: that
    in which the first burst may be asked for."""
    found, free = [], first
    for layout, begun in zip(outputs, since, strict=True):
        groups = min(layout.groups_per_beat, layout.groups) if layout.beats_per_element == 1 else 1
        bursts = -(-layout.beats // window_beats(layout.data_bits))
        asked = max(free, begun + FROM_PAGE_TO_BEAT + groups - 1)
        found.append(asked + bursts + layout.cycles - groups)
        free = found[-1] + 1
    return found

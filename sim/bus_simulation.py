"""Runs a design with a bus: our host starts runs through the registers, our memory holds inputs and outputs.

The first run is alone, at a memory that always accepts and answers in the next cycle: its cycles are measured twice, as
the design's own from the ports, and as the register `cycles` tells them. Further runs follow each other as soon as they
may be started, under random stalls on all channels. The last one is then repeated by auto_restart, without stalls: the
steady state. The bench is bus_bench.cpp.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from torch2hw.analysis.stored_arrays import Array
from torch2hw.sim.beat_bench import play_script
from torch2hw.sim.bus_bench_header import bus_header
from torch2hw.sim.buses import BusManifest
from torch2hw.sim.simulation import Conditions, Simulation
from torch2hw.sim.streams import beat_words, tensor_of
from torch2hw.sim.verilator import HERE, BenchKind

BENCH = BenchKind(HERE / "bus_bench.cpp", bus_header, (HERE / "bus_bench_header.py",))
FROM_LAST_BEAT = 4  # cycles from the last beat of the inputs to the first one of an output, without the run's own
STALLED = 4  # times as long, with stalls


def simulate_bus(
    directory: Path,
    manifest: BusManifest,
    input_sets: Sequence[Sequence[Array]],
    first_groups: int,
    conditions: Conditions | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> Simulation:
    """Build the design in `directory`, and run it once for each set of inputs; the cycles are those of the first run.

    `first_groups`: the groups in the first beat of the first output. Raises CheckError where the design breaks the
    rules of its bus, or stops.
    """
    conditions = conditions or Conditions()
    runs = len(input_sets)
    script = [np.array([runs, STALLED * (manifest.run_cycles + manifest.interval_cycles) + 1000], np.uint64)]
    for stored in input_sets:
        pairs = zip(manifest.inputs, stored, strict=True)
        script += [beat_words(tensor.port.to_beats(array)) for tensor, array in pairs]
    played = play_script(BENCH, directory, manifest, script, 2 * runs + 8, conditions, progress)
    answers = played.answers
    outputs: list[list[Array]] = []
    at = 0
    for _ in range(runs):
        outputs.append([])
        for tensor in manifest.outputs:
            size = tensor.port.beats * -(-manifest.data_bits // 64)
            outputs[-1].append(tensor_of(tensor.port, answers[at : at + size].reshape(tensor.port.beats, -1)))
            at += size
    since_inputs, of_run, *intervals = (int(word) for word in answers[at:])
    own = since_inputs - FROM_LAST_BEAT - (first_groups - 1)
    cycles = own if manifest.inputs else of_run - manifest.run_cycles + manifest.latency_cycles
    return Simulation(
        outputs, [[cycles]], played.build_seconds, played.run_seconds, intervals=tuple(intervals), run_cycles=of_run
    )

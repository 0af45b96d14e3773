"""Runs a design with streams: packets as fast as they are taken, and then packets under random stalls on every stream.

Of the first ones are the cycles of a run, and those from one result to the next in the steady state. The bench
(stream_bench.cpp) sees ports only. A run begins in the cycle after the last beat of its inputs; its latency_cycles
later is `done`; two cycles after that the first group of an output is at the memories, and a beat of several groups is
whole as many cycles later as it has groups before its last one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from torch2hw.analysis.stored_arrays import Array, Words
from torch2hw.sim.beat_bench import play_script
from torch2hw.sim.simulation import Conditions, Simulation
from torch2hw.sim.stream_bench_header import stream_header
from torch2hw.sim.streams import StreamManifest, StreamPort, beat_words, tensor_of, wrong_beats
from torch2hw.sim.verilator import HERE, BenchKind

BENCH = BenchKind(HERE / "stream_bench.cpp", stream_header, (HERE / "stream_bench_header.py",))
AT_FULL_SPEED = 5  # packets that are not stalled, for a steady state
FROM_LAST_BEAT = 3  # cycles from the last beat of the inputs to the first group of an output, without the run's own


def simulate_streams(
    directory: Path,
    manifest: StreamManifest,
    input_sets: Sequence[Sequence[Array]],
    first_groups: int,
    conditions: Conditions | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> Simulation:
    """Build the design in `directory`, and run it at full speed, and then under stalls once for each set of inputs. The
    cycles are those of the first run.

    `first_groups`: the groups in the first beat of the first output. Raises CheckError where the design breaks the
    rules of a stream, stops, or has other results under stalls.
    """
    conditions = conditions or Conditions()
    sets = [k % len(input_sets) for k in range(AT_FULL_SPEED)] + list(range(len(input_sets)))
    packets = len(sets)
    script = [np.array([packets, AT_FULL_SPEED, _budget(manifest)], np.uint64)]
    for number, port in enumerate(manifest.inputs):
        script += [beat_words(port.to_beats(input_sets[k][number])) for k in sets]
    played = play_script(BENCH, directory, manifest, script, packets, conditions, progress)
    answers = played.answers
    outputs, at = [], 0
    for port in manifest.outputs:
        size = port.beats * (-(-port.data_bits // 64) + 2)
        found = answers[at : at + packets * size].reshape(packets, size)
        stalled = found[AT_FULL_SPEED:]
        if not np.array_equal(found[:AT_FULL_SPEED], stalled[sets[:AT_FULL_SPEED]]):
            raise wrong_beats(port, "it is not the same at full speed and under stalls")
        outputs.append([_tensor(port, packet) for packet in stalled])
        at += packets * size
    marks = answers[at:-1].astype(np.int64).reshape(len(manifest.outputs), packets + 1)
    cycles = int(marks[0, 0]) - int(answers[-1]) - FROM_LAST_BEAT - (first_groups - 1)
    intervals = tuple(int(ends[AT_FULL_SPEED] - ends[AT_FULL_SPEED - 1]) for ends in marks)
    by_set = [[packets_of[number] for packets_of in outputs] for number in range(len(input_sets))]
    return Simulation(by_set, [[cycles]], played.build_seconds, played.run_seconds, intervals=intervals)


def _budget(manifest: StreamManifest) -> int:
    return 4 * (manifest.latency_cycles + manifest.interval_cycles) + 1000


def _tensor(port: StreamPort, answers: Words) -> Array:
    """The tensor of an output's packet. Raises CheckError where the packet is not as the manifest says."""
    rows = answers.reshape(port.beats, -1)
    bits = np.unpackbits(np.ascontiguousarray(rows[:, -2:-1]).astype("<u8").view(np.uint8), axis=1, bitorder="little")
    if not np.array_equal(rows[:, -1], np.arange(port.beats) == port.beats - 1):
        raise wrong_beats(port, "tlast is not in its last beat alone")
    if not np.array_equal(bits[:, : port.bytes_per_beat], port.keep()):
        raise wrong_beats(port, "tkeep is not that of its bytes")
    return tensor_of(port, rows[:, :-2])

"""Runs a design through the host interface of contract section 5, and reads its results.

A run is: write the inputs, raise go, wait for done, read the outputs. The bench also checks that done is high for
exactly one cycle in each run, `latency_cycles` after go. `Conditions` can make the surroundings difficult; none of them
may change a result.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from torch2hw.analysis.stored_arrays import Array, Words, from_words, to_words
from torch2hw.sim import icarus
from torch2hw.sim.manifest import Manifest
from torch2hw.sim.monitors import Seen
from torch2hw.sim.verilator import build
from torch2hw.sim.verilator_runtime import Trace, trace_format
from torch2hw.tools.errors import CheckError, InternalError, UsageError
from torch2hw.tools.output import appearing
from torch2hw.tools.processes import Command, run

RESET, IDLE, WRITE, RUN, START, READ = range(1, 7)
RESET_MODES = {"zeros": 0, "ones": 1, "random": 2}
TIMEOUT_STATUS = 3
MAX_REPORTED = 32  # violations in an error: more than the bench and the port checks print
FAST_BUILD_BELOW_CYCLES = 1_000_000  # the slow build takes longer by what it saves of so many cycles
UNKNOWN_LATENCY_BUDGET_CYCLES = 1_000_000_000


class Timed(Protocol):
    """What tells how long a run takes: a manifest, of any interface."""

    @property
    def latency_cycles(self) -> int | None:
        """From the start of a run to its end; None where nobody knows."""


@dataclass(frozen=True)
class Conditions:
    """What surrounds the runs.

    state: of every register and memory before the first reset; random from `seed`. `unknown` is X in every bit, and
        Icarus Verilog simulates, slowly (`icarus`), without traces and monitors.
    repeats: each set of inputs is run so many times in a row, written once.
    hold_go: go stays high until done, through all repeats, which then follow each other without a cycle between.
    abandon_cycles: before each full run, for each k a run is started and reset in its cycle k.
    pulse_go: go is raised and lowered at random while the design runs, which it must ignore.
    meddle: random writes to the inputs while the design runs, which it must ignore.
    fast_build: the program is built faster and runs slower; None: where that is worth it (`FAST_BUILD_BELOW_CYCLES`).
    trace: a .vcd or .fst file of the whole simulation, `trace_depth` levels of modules deep (0: all).
    """

    state: Literal["zeros", "ones", "random", "unknown"] = "random"
    seed: int = 1
    repeats: int = 1
    hold_go: bool = False
    pulse_go: bool = False
    abandon_cycles: tuple[int, ...] = ()
    meddle: bool = False
    fast_build: bool | None = None
    trace: Path | None = None
    trace_depth: int = 0
    timeout_factor: float = 4.0

    @property
    def go_mode(self) -> int:
        """As the bench's RUN takes it: 0 pulsed in the first cycle, 1 held, 2 at random."""
        assert not (self.hold_go and self.pulse_go), "go is held, or pulsed"
        return 1 if self.hold_go else 2 if self.pulse_go else 0

    def builds_fast(self, manifest: Timed, sets: int) -> bool:
        """What `fast_build` says, or the cycles that will be run: of a design that tells none, many."""
        if self.fast_build is not None:
            return self.fast_build
        latency = manifest.latency_cycles
        if not latency:
            return False
        return sets * (self.repeats * latency + sum(self.abandon_cycles)) < FAST_BUILD_BELOW_CYCLES

    @property
    def trace_format(self) -> Trace:
        """The format that the trace file's suffix asks for. UsageError for other suffixes."""
        return trace_format(self.trace)


@dataclass(frozen=True)
class Simulation:
    """`outputs[set][tensor]` in stored form, states after the outputs; `cycles[set][repeat]` measured from go to done.

    `intervals`, of a design with beats: the cycles from one result of each output to the next, in the steady state;
    `run_cycles`, of one with a bus: those of a run that is alone, with its transfers.
    `runs` are the cycles of the simulation in which runs began; `seen` is what monitors told.
    """

    outputs: list[list[Array]]
    cycles: list[list[int]]
    build_seconds: float
    run_seconds: float
    runs: tuple[int, ...] = ()
    seen: Seen = field(default_factory=Seen)
    intervals: tuple[int, ...] = ()
    run_cycles: int | None = None


@dataclass
class _Script:
    """The bench's operations so far, and how many words they will answer."""

    words: list[npt.NDArray[np.uint64]] = field(default_factory=list)

    def add(self, *operation: int, data: Words | None = None) -> None:
        self.words.append(np.array(operation, np.uint64))
        if data is not None:
            self.words.append(data)


def simulate(
    directory: Path,
    manifest: Manifest,
    input_sets: Sequence[Sequence[Array]],
    conditions: Conditions | None = None,
    progress: Callable[[int, float], None] | None = None,
    monitors: str = "",
    states: Sequence[Array] = (),
) -> Simulation:
    """Build the design in `directory` and run it once for each set of inputs (each repeated as the conditions say).

    `monitors` is SystemVerilog beside the design (`monitors`). `states`, if given, are written into the design's states
    before the first run. `progress` is called now and then with the
    cycles simulated and the seconds they took. Raises CheckError where the design breaks the interface's rules or does
    not finish, and what `verilator.build` raises.
    """
    conditions = conditions or Conditions()
    missing = [file for file in manifest.memory_files if not (directory / file).is_file()]
    if missing:
        raise UsageError(f"{missing[0]} is missing", why=f"it holds weights of {manifest.top}", fix="compile again")
    script = _script(manifest, input_sets, conditions, states)
    with tempfile.TemporaryDirectory(prefix="torch2hw-") as folder:
        work, started = Path(folder), time.monotonic()
        if conditions.state == "unknown":
            assert conditions.trace is None and not monitors, "Icarus has neither traces nor monitors here"
            command = icarus.build(work, directory, manifest, script)
        else:
            depth = conditions.trace_depth
            fast = conditions.builds_fast(manifest, len(input_sets))
            program = build(directory, manifest, conditions.trace_format, fast, monitors, depth)
            command = _bench(program, work, script, conditions)
        built = time.monotonic()
        told = play(command, directory, conditions.trace, progress)
        if conditions.state == "unknown":
            answers = icarus.answers(work / "results", manifest, conditions.repeats)
        else:
            answers = np.fromfile(work / "results", "<u8").astype(np.uint64)
    outputs, cycles = _read_answers(manifest, answers, len(input_sets), conditions.repeats)
    return Simulation(
        outputs,
        cycles,
        built - started,
        time.monotonic() - built,
        tuple(map(int, told["run"])),
        Seen.read(told["monitor"]),
    )


def _script(
    manifest: Manifest, input_sets: Sequence[Sequence[Array]], conditions: Conditions, states: Sequence[Array] = ()
) -> Words:
    latency = manifest.latency_cycles or 0
    budget = int(latency * conditions.timeout_factor) + 1000 if latency else UNKNOWN_LATENCY_BUDGET_CYCLES
    script = _Script()
    script.add(RESET, 2)
    for number, (port, array) in enumerate(zip(manifest.loads, states, strict=bool(states)), len(manifest.inputs)):
        pairs = np.stack([port.addresses(), to_words(array, port.dtype)], axis=1).reshape(-1)
        script.add(WRITE, number, array.size, data=pairs)
    for index, inputs in enumerate(input_sets):
        assert len(inputs) == len(manifest.inputs), f"{len(inputs)} inputs for {len(manifest.inputs)}"
        for tensor, (port, array) in enumerate(zip(manifest.inputs, inputs, strict=True)):
            assert array.shape == port.shape, f"{port.name} has shape {array.shape}, the design wants {port.shape}"
            pairs = np.stack([port.addresses(), to_words(array, port.dtype)], axis=1).reshape(-1)
            script.add(WRITE, tensor, array.size, data=pairs)
        for cycles in conditions.abandon_cycles:
            assert not latency or cycles <= latency, f"a run of {latency} cycles has no cycle {cycles}"
            script.add(START, cycles)
            script.add(RESET, 1)
            script.add(IDLE, cycles % 4)  # a design that did not stop shows itself, or is out of step
        for repeat in range(conditions.repeats):
            meddle_seed = 1 + index * conditions.repeats + repeat if conditions.meddle else 0
            script.add(RUN, latency, budget, conditions.go_mode, meddle_seed)
        for tensor, port in enumerate(manifest.observed):
            addresses = port.addresses()
            script.add(READ, tensor, addresses.size, data=addresses)
    return np.concatenate(script.words)


def _bench(program: Path, work: Path, script: Words, conditions: Conditions) -> Command:
    """The command that plays the script, written to `work`, on a design made by `verilator.build`."""
    script.astype("<u8").tofile(work / "script")
    state = [str(RESET_MODES[conditions.state]), str(conditions.seed)]
    return [program, work / "script", work / "results", *state]


def play(
    command: Command, directory: Path, trace: Path | None, progress: Callable[[int, float], None] | None
) -> dict[str, list[str]]:
    """The lines of each kind that the bench wrote; with `trace`, that file is its last argument, and appears whole."""
    if trace is None:
        return _play(command, directory, progress)
    with appearing(trace) as beside:
        return _play([*command, beside.resolve()], directory, progress)


def _play(command: Command, directory: Path, progress: Callable[[int, float], None] | None) -> dict[str, list[str]]:
    """The lines of each kind that the bench wrote. It runs in `directory`, beside memory files."""
    lines: list[str] = []
    told: dict[str, list[str]] = {"run": [], "monitor": []}
    started = time.monotonic()

    def line(text: str) -> None:
        word, _, rest = text.partition(" ")
        if word in told:
            told[word].append(rest)
        elif word != "progress":
            lines.append(text)
        elif progress is not None:
            progress(int(rest), time.monotonic() - started)

    status = run(command, directory, line)
    if status == TIMEOUT_STATUS:
        *others, last = lines
        raise CheckError("the simulated design did not finish", why="; ".join([*others[:MAX_REPORTED], last]))
    if any("No space left on device" in text for text in lines):
        raise UsageError("the simulation found no room for its files", fix="make room, or choose another place")
    if status != 0:
        raise InternalError(f"the simulation ended with status {status}: {'; '.join(lines)}")
    if broken := [text.removeprefix("violation: ") for text in lines if text.startswith("violation: ")]:
        raise CheckError("the simulated design broke the rules of its interface", why="; ".join(broken[:MAX_REPORTED]))
    return told


def _read_answers(
    manifest: Manifest, answers: Words, sets: int, repeats: int
) -> tuple[list[list[Array]], list[list[int]]]:
    outputs: list[list[Array]] = []
    cycles: list[list[int]] = []
    at = 0
    for _ in range(sets):
        cycles.append([int(word) for word in answers[at : at + repeats]])
        at += repeats
        outputs.append([])
        for port in manifest.observed:
            size = int(np.prod(port.shape))
            outputs[-1].append(from_words(answers[at : at + size], port.dtype, port.shape))
            at += size
    assert at == len(answers), f"{len(answers)} answers, {at} expected"
    return outputs, cycles

"""Runs many seeds of the fuzzer, in processes of this machine or on a Dask cluster, and records the outcome of each.

`DIR/outcomes.csv` gets a line for every finished seed: the model, the verdict and the reason. This process shrinks the
failures and writes them to `DIR/fuzzSEED.py`. Worker processes are spawned, not forked (threads of PyTorch and MLIR do
not survive a fork), and replaced from time to time. If one dies, its seed counts as a failure, and the others go on.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from torch2hw.sim.fuzz import Outcome, arguments_of, options_of, run_seed, write_failure
from torch2hw.sim.fuzz_models import kinds, source
from torch2hw.tools.errors import MissingTool, UsageError

SEEDS_PER_PROCESS = 100
COLUMNS = ("seed", "verdict", "seconds", "options", "layers", "detail")


@dataclass
class Summary:
    """How many seeds had each verdict, each kind of layer and each option; `refusals` by their message."""

    verdicts: Counter[str] = field(default_factory=Counter)
    layers: Counter[str] = field(default_factory=Counter)
    options: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def add(self, outcome: Outcome) -> None:
        """Count one more. Layers and options are those of models that passed."""
        self.verdicts[outcome.verdict] += 1
        if outcome.verdict == "passed":
            self.layers.update(set(outcome.kinds))
            self.options.update(f"--{words}" for words in f" {outcome.options}".split(" --")[1:])
        if outcome.verdict == "refused":
            self.refusals[outcome.detail.partition(": ")[2]] += 1

    def to_json(self) -> dict[str, Any]:
        """The object of `fuzz --json`."""
        counted = {name: dict(getattr(self, name)) for name in ("verdicts", "layers", "options", "refusals")}
        return {"models": self.verdicts.total(), **counted, "seconds": round(self.seconds, 1)}

    def __str__(self) -> str:
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(self.verdicts.items()))
        return f"{self.verdicts.total()} models: {verdicts or 'none'} ({self.seconds:.0f} s)"


def fuzz(
    seeds: Iterable[int],
    executor: Callable[[], Executor],
    width: int,
    folder: Path,
    *,
    task: Callable[[int], Outcome] = run_seed,
    seconds: float | None = None,
    tell: Callable[[str], None] = print,
    counted: Callable[[int], None] = lambda done: None,
) -> Summary:
    """Run seeds, `width` at a time, starting none after `seconds`; tell of those that did not pass, write failures.

    `counted` is told how many models are done.
    """
    summary, started = Summary(), time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)

    def until_time_is_up() -> Iterator[int]:
        for seed in seeds:
            if seconds is not None and time.monotonic() - started > seconds:
                return
            yield seed

    with (folder / "outcomes.csv").open("a", newline="") as file:
        table = csv.writer(file)
        if file.tell() == 0:
            table.writerow(COLUMNS)
        for outcome in outcomes(until_time_is_up(), executor, width, task):
            summary.add(outcome)
            counted(summary.verdicts.total())
            layers = " + ".join(outcome.kinds)
            row = (outcome.seed, outcome.verdict, f"{outcome.seconds:.1f}", outcome.options, layers, outcome.detail)
            table.writerow(row)
            file.flush()
            if outcome.verdict != "passed":
                tell(f"seed {outcome.seed}: {outcome.verdict}: {outcome.detail}")
            if outcome.verdict == "failed":
                tell(f"  shrunk to {write_failure(outcome, folder)}")
    summary.seconds = time.monotonic() - started
    return summary


def outcomes(
    seeds: Iterator[int], executor: Callable[[], Executor], width: int, task: Callable[[int], Outcome]
) -> Iterator[Outcome]:
    """The outcome of every seed, as they come; `task` gives it."""
    pool = executor()
    running: dict[Future[Outcome], int] = {}
    try:
        while True:
            for seed in islice(seeds, width - len(running)):
                running[pool.submit(task, seed)] = seed
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            if any(isinstance(future.exception(), BrokenProcessPool) for future in done):
                lost = sorted(running.values())
                running.clear()
                pool.shutdown()
                for seed in lost:
                    yield alone(seed, executor, task)
                pool = executor()
                continue
            for future in done:
                del running[future]
                yield future.result()
    finally:
        for future in running:
            future.cancel()
        pool.shutdown()


def alone(seed: int, executor: Callable[[], Executor], task: Callable[[int], Outcome]) -> Outcome:
    """The outcome of a seed that was running when a process died, in a process of its own."""
    with executor() as pool:
        try:
            return pool.submit(task, seed).result()
        except BrokenProcessPool:
            return died(seed, "")


def died(seed: int, words: str) -> Outcome:
    """The outcome of a seed whose process ended without one, with its last words."""
    detail = f"the process died{words and ': '}{words}"
    return Outcome(seed, "failed", detail, arguments_of(options_of(seed)), kinds(source(seed)), 0.0)


def in_a_process(seed: int) -> Outcome:
    """The outcome of a seed, from a process of its own: Dask has threads, and MLIR contexts are bound to theirs."""
    command = [sys.executable, "-c", "from torch2hw.sim.fuzz_run import answer; answer()", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        return died(seed, (done.stderr.strip().splitlines() or [""])[0])
    fields = json.loads(lines[-1])
    return Outcome(**{**fields, "kinds": tuple(fields["kinds"])})


def answer() -> None:
    """What `in_a_process` starts: the outcome of the seed in its argument, as its last line of output."""
    print(json.dumps(asdict(run_seed(int(sys.argv[1])))))


def processes(jobs: int) -> Callable[[], Executor]:
    """Processes of this machine."""
    return lambda: ProcessPoolExecutor(jobs, get_context("spawn"), max_tasks_per_child=SEEDS_PER_PROCESS)


def dask_cluster(address: str, option: str = "--dask") -> tuple[Callable[[], Executor], int]:
    """The workers of a Dask cluster, which must have torch2hw installed, and how many tasks they can hold at a time."""
    try:
        from distributed import Client
    except ImportError:
        raise MissingTool(
            f"{option} needs the package distributed, which is not installed",
            fix='pip install "torch2hw[cluster]"',
        ) from None
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{option} {address}: no scheduler answers ({error})",
            fix="start one with `dask scheduler`, workers with `dask worker ADDRESS`, and give its tcp:// address",
        ) from None
    threads = sum(client.nthreads().values())
    if not threads:
        raise UsageError(f"{option} {address}: the cluster has no workers", fix=f"dask worker {address}")
    return lambda: client.get_executor(pure=False), 2 * threads

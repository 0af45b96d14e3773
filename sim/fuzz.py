"""The fuzzer: random models with random options, compiled, linted, simulated and compared bit for bit.

A seed stands for a model (`fuzz_models`) and its options; the same seed is the same test everywhere. A failure is
shrunk by leaving out layers and lowering the partition as long as it still fails, and written as a model file that can
be run. Refusals with a message are counted: they are answers, not failures.

    python -m torch2hw.sim.fuzz --seeds 0..99 --jobs 2 -o DIR
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from torch2hw.errors import InternalError, Torch2HWError
from torch2hw.options import Options
from torch2hw.sim.fuzz_models import MOST_LAYERS, source
from torch2hw.sim.simulation import Conditions


@dataclass(frozen=True)
class Outcome:
    """What became of a seed: passed, refused or failed, and why."""

    seed: int
    verdict: str
    detail: str = ""


def options_of(seed: int) -> Options:
    """The options that go with a seed's model."""
    rng = random.Random(f"torch2hw options {seed}")
    return Options(
        partition=rng.choice((1, 1, 2, 2, 3, 4, 5)),
        subnormals=rng.choice(("flush", "flush", "flush", "keep")),
        clock_ns=rng.choice((3.33, 3.33, 3.33, 2.0, 8.0)),
    )


def try_model(seed: int, text: str, options: Options) -> Outcome:
    """Compile, lint, simulate and compare one model."""
    from torch2hw.check import simulate_design
    from torch2hw.compiler import compile_model
    from torch2hw.frontend.load_model import load
    from torch2hw.sim.lint import lint

    with tempfile.TemporaryDirectory(prefix="torch2hw-") as folder:
        path = Path(folder) / f"fuzz{seed}.py"
        path.write_text(text)
        try:
            loaded = load(str(path))
            compiled = compile_model(loaded, options)
            verilog = Path(folder) / "out.sv"
            verilog.write_text(compiled.verilog())
            findings = lint([verilog], compiled.top)
            if findings:
                return Outcome(seed, "failed", f"lint: {findings[0]}")
            rng = random.Random(f"torch2hw conditions {seed}")
            latency = compiled.at("calyx").latency_cycles
            hard = Conditions(
                seed=seed + 1, hold_go=rng.random() < 0.5, abandon_cycles=(rng.randrange(latency),), meddle=True
            )
            result = simulate_design(compiled, loaded.example_inputs, runs=2, seed=seed, conditions=hard)
        except InternalError as error:
            return Outcome(seed, "failed", str(error))
        except Torch2HWError as error:
            return Outcome(seed, "refused", str(error).splitlines()[0])
        except Exception as error:  # noqa: BLE001 - whatever gets here is a bug, and the fuzzer's catch
            return Outcome(seed, "failed", f"{type(error).__name__}: {error}")
    if not result.bit_exact:
        return Outcome(seed, "failed", f"mismatch: {result.comparison.first_mismatch}")
    if set(result.cycles) != {latency}:
        return Outcome(seed, "failed", f"{result.cycles} cycles, {latency} predicted")
    return Outcome(seed, "passed")


def run_seed(seed: int) -> Outcome:
    """The outcome of a seed."""
    return try_model(seed, source(seed), options_of(seed))


def shrink(seed: int) -> tuple[str, Options, Outcome]:
    """A smaller model of a failing seed that still fails, its options and how it fails."""
    options, without, outcome = options_of(seed), set[int](), run_seed(seed)
    for number in range(MOST_LAYERS):
        smaller = try_model(seed, source(seed, {*without, number}), options)
        if smaller.verdict == "failed":
            without.add(number)
            outcome = smaller
    for partition in range(1, options.partition):
        fewer = Options(partition=partition, subnormals=options.subnormals, clock_ns=options.clock_ns)
        again = try_model(seed, source(seed, without), fewer)
        if again.verdict == "failed":
            return source(seed, without), fewer, again
    return source(seed, without), options, outcome


def write_failure(seed: int, folder: Path) -> Path:
    """The shrunk model of a failing seed as a file that says how to run it."""
    text, options, outcome = shrink(seed)
    command = f"torch2hw simulate fuzz{seed}.py --partition {options.partition} --subnormals {options.subnormals}"
    if options.clock_ns != Options.clock_ns:
        command += f" --clock-ns {options.clock_ns}"
    why = "\n".join(f"# {line}" for line in outcome.detail.splitlines())
    path = folder / f"fuzz{seed}.py"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n# {command}\n{why}\n")
    return path


def fuzz(first: int, last: int, jobs: int, folder: Path, seconds: float | None = None) -> Counter[str]:
    """Run seeds first … last until `seconds` have passed, print and write failures; the number of each verdict."""
    verdicts: Counter[str] = Counter()
    started = time.monotonic()
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:  # threads of PyTorch and MLIR do not survive a fork
        for begin in range(first, last + 1, 4 * jobs):
            if seconds is not None and time.monotonic() - started > seconds:
                break
            for outcome in pool.map(run_seed, range(begin, min(begin + 4 * jobs, last + 1))):
                verdicts[outcome.verdict] += 1
                if outcome.verdict != "passed":
                    print(f"seed {outcome.seed}: {outcome.verdict}: {outcome.detail}", flush=True)
                if outcome.verdict == "failed":
                    print(f"  shrunk to {write_failure(outcome.seed, folder)}", flush=True)
    return verdicts


def main(arguments: list[str] | None = None) -> int:
    """The command: exit status 3 if a seed failed."""
    parser = argparse.ArgumentParser(
        prog="python -m torch2hw.sim.fuzz", description="Random models, compared bit for bit."
    )
    parser.add_argument("--seeds", default="0..19", help="A..B, both included")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=None, help="start no new seeds after so long")
    parser.add_argument(
        "-o", dest="folder", type=Path, default=Path("fuzz-failures"), help="where failures are written"
    )
    parsed = parser.parse_args(arguments)
    first, _, last = parsed.seeds.partition("..")
    started = time.monotonic()
    verdicts = fuzz(int(first), int(last or first), parsed.jobs, parsed.folder, parsed.seconds)
    counted = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
    print(f"{sum(verdicts.values())} models: {counted} ({time.monotonic() - started:.0f} s)")
    return 3 if verdicts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())

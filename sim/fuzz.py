"""The fuzzer: random models with random options, compiled, linted, simulated and compared bit for bit.

A seed stands for a model (`fuzz_models`), its options and the conditions it is simulated under; the same seed is the
same test everywhere. What a seed goes through:

- compiled with a random partition factor (1 to 8), clock period, treatment of subnormals and schedule, now and then
  without overlap or sharing, the sequential schedule with any of its techniques, quantised or in 16-bit formats, and
  every pass checked
  (`pass_checker`), from PyTorch's own results to the reference's;
- linted by Verilator and slang;
- simulated from random states of all registers and memories, on four sets of inputs (the example; random; zeros,
  subnormals, the largest numbers; infinities and NaNs), with runs abandoned by resets, go held or pulsed, and inputs
  written meanwhile; every output bit and every run's cycles must be what was predicted.

A failure is shrunk by leaving out layers, then by options nearer to the defaults, as long as it still fails, and
written as a model file that can be run. Refusals with a message are counted: they are answers, not failures.
"""

from __future__ import annotations

import random
import re
import signal
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

from torch2hw.compiler.options import DTYPES, QUANTISATIONS, SUMS, Options
from torch2hw.sim.fuzz_models import MAX_LAYERS, kinds, source
from torch2hw.sim.simulation import Conditions
from torch2hw.tools.errors import CheckError, InternalError, Torch2HWError
from torch2hw.tools.output import write_files

PARTITIONS = (*(1,) * 200, *(2,) * 160, *(3,) * 40, *(4,) * 8, 5, 6, 7, 8)  # the larger the rarer: N² lanes take time
SIMPLIFIED = (
    "sequential_banking",
    "sequential_control",
    "overlap",
    "share_units",
    "share_memories",
    "fuse_loops",
    "iterative_units",
    "paired_products",
    "ultra_ram",
    "sums",
    "dtype",
    "keep_float",
    "io",
    "quantize",
    "subnormals",
    "clock_ns",
)
LIMIT_SECONDS = 900  # for one model: what takes longer hangs


@dataclass(frozen=True)
class Outcome:
    """What became of a seed: passed, refused or failed, and why; the options and layers it had; how long it took."""

    seed: int
    verdict: str
    detail: str
    options: str
    kinds: tuple[str, ...]
    seconds: float


class TooSlow(Exception):
    """A model took longer than LIMIT_SECONDS."""


def options_of(seed: int) -> Options:
    """The options that go with a seed's model. The sequential schedule is for few of them: it simulates slowly."""
    rng = random.Random(f"torch2hw options {seed}")
    subnormals = rng.choice(("flush", "flush", "keep"))
    clock_ns = rng.choice((3.33, 3.33, 3.33, 1.8, 2.5, 5.0, 8.0))
    if rng.random() < 0.06:
        return Options(
            partition=rng.choice((1, 1, 1, 2, 2, 3)),
            subnormals=subnormals,
            clock_ns=clock_ns,
            schedule="sequential",
            sequential_banking=rng.choice(("dimension", "dimension", "naive")),
            sequential_control=rng.choice(("shared", "shared", "arms")),
            dtype=rng.choice(DTYPES),
        )
    drawn = Options(
        partition=rng.choice(PARTITIONS),
        subnormals=subnormals,
        clock_ns=clock_ns,
        overlap=rng.random() < 0.9,
        share_units=rng.random() < 0.9,
        share_memories=rng.random() < 0.9,
        fuse_loops=rng.random() < 0.9,
        iterative_units=rng.random() < 0.9,
        dtype=rng.choice(("f32", *DTYPES)),
        sums=rng.choice(SUMS),
        ultra_ram=rng.random() < 0.05,
    )
    return _quantised(drawn, source(seed), rng) if drawn.dtype == "f32" and rng.random() < 0.5 else drawn


def _quantised(options: Options, text: str, rng: random.Random) -> Options:
    """The options with a quantisation of the model `text`, now and then with a layer in floats."""
    layers = re.findall(r"self\.(l\d+) = nn\.", text)
    return replace(
        options,
        quantize=rng.choice(("int8", *QUANTISATIONS)),
        io=rng.choice((None, None, "float")),
        keep_float=(rng.choice(layers),) if layers and rng.random() < 0.2 else (),
        paired_products=rng.random() < 0.8,
    )


def arguments_of(options: Options) -> str:
    """The options that are not the defaults, as the command line spells them."""
    given = [(field.name, getattr(options, field.name), field.default) for field in fields(options)]
    return " ".join(_argument(name, value) for name, value, default in given if value != default)


def _argument(name: str, value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(_argument(name, each) for each in value)
    if value is False:
        return f"--no-{name.replace('share_', 'shared_').replace('fuse_', 'fused_').replace('_', '-')}"
    return f"--{name.replace('_', '-')}" + ("" if value is True else f" {value}")


def run_seed(seed: int) -> Outcome:
    """The outcome of a seed."""
    return try_model(seed, source(seed), options_of(seed))


def try_model(seed: int, text: str, options: Options) -> Outcome:
    """Compile, lint, simulate and compare one model, under the conditions of a seed."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="torch2hw-") as folder:
        try:
            with at_most(LIMIT_SECONDS):
                detail = _fault(seed, text, options, Path(folder))
            verdict = "failed" if detail else "passed"
        except (InternalError, CheckError) as error:
            verdict, detail = "failed", str(error)
        except Torch2HWError as error:
            verdict, detail = "refused", str(error).splitlines()[0].replace(f"{folder}/", "")
        except Exception as error:  # noqa: BLE001 - whatever gets here is a bug, and the fuzzer's catch
            where = traceback.extract_tb(error.__traceback__)[-1]
            verdict = "failed"
            detail = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
    return Outcome(seed, verdict, detail, arguments_of(options), kinds(text), time.monotonic() - started)


def _fault(seed: int, text: str, options: Options, folder: Path) -> str:
    """What is wrong with the design of a model; nothing: an empty text."""
    from torch2hw.compiler.compiled import compile_model
    from torch2hw.frontend.load_model import load
    from torch2hw.sim.check import simulate_sets
    from torch2hw.sim.lint import lint
    from torch2hw.sim.pass_checker import PassChecker, sets_for

    rng = random.Random(f"torch2hw conditions {seed}")
    path = folder / f"fuzz{seed}.py"
    path.write_text(text)
    loaded = load(str(path))
    compiled = compile_model(loaded, options, checker=PassChecker.of)
    verilog = folder / "out.sv"
    verilog.write_text(compiled.verilog())
    findings = lint([verilog], compiled.top)
    if findings:
        return f"lint: {findings[0]}"
    latency = compiled.at("calyx").latency_cycles
    hard = Conditions(
        seed=seed % 2**31 + 1,
        repeats=rng.choice((1, 1, 2)),
        hold_go=rng.random() < 0.5,
        abandon_cycles=tuple(rng.randrange(latency) for _ in range(rng.choice((0, 1, 1, 2)))),
        meddle=rng.random() < 0.8,
    )
    sets = sets_for(compiled.loaded.model, compiled.imported, compiled.loaded.example_inputs)
    result = simulate_sets(compiled, sets, conditions=hard)
    result.check()
    return ""


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Raises TooSlow after so long, where signals can: in the main thread."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise TooSlow(f"not done after {seconds} s")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def shrink(seed: int, outcome: Outcome) -> tuple[str, Options, Outcome]:
    """A smaller model of a failing seed that still fails, its options and how it fails."""
    options, without = options_of(seed), set[int]()
    for number in range(MAX_LAYERS):
        text = source(seed, {*without, number})
        if text != source(seed, without):
            smaller = try_model(seed, text, options)
            if smaller.verdict == "failed":
                without.add(number)
                outcome = smaller
    text = source(seed, without)
    for simpler in _simpler(options):
        again = try_model(seed, text, simpler)
        if again.verdict == "failed":
            return text, simpler, again
    return text, options, outcome


def _simpler(options: Options) -> Iterator[Options]:
    """Options nearer to the defaults, the nearest first."""
    default = Options()
    for partition in range(1, options.partition + 1):
        if replace(default, partition=partition) != options:
            yield replace(default, partition=partition)
    for partition in range(1, options.partition):
        yield replace(options, partition=partition)
    plain = replace(options, schedule="static", sequential_banking="dimension", sequential_control="shared")
    if plain != options:
        yield plain
    for field in SIMPLIFIED:
        if getattr(options, field) != getattr(default, field):
            needed = ("io", "keep_float") if field == "quantize" else ()
            yield replace(options, **{each: getattr(default, each) for each in (field, *needed)})


def write_failure(outcome: Outcome, folder: Path) -> Path:
    """The shrunk model of a failing seed as a file that says how to run it."""
    text, options, shrunk = shrink(outcome.seed, outcome)
    why = "\n".join(f"# {line}" for line in shrunk.detail.splitlines())
    path = folder / f"fuzz{outcome.seed}.py"
    command = f"torch2hw simulate {path.name} {arguments_of(options)}".rstrip()
    write_files({path: f"{text}\n# {command} --check\n{why}\n"})
    return path

"""The command `torch2hw`: arguments in, files and reports out, an exit status that means something.

Only the standard library and the options are imported before the arguments are understood, so `--help` and a mistyped
option answer at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from torch2hw.errors import Torch2HWError, UsageError
from torch2hw.options import BANKINGS, CONTROLS, DTYPES, SCHEDULES, SUBNORMALS, Options
from torch2hw.version import __version__

if TYPE_CHECKING:
    from torch2hw.compiler import Compiled
    from torch2hw.progress import Progress

EMIT = ("torch", "linalg", "affine", "scheduled", "scf", "calyx", "futil", "hw", "sv", "hls")
PART = "xcu50-fsvh2104-2-e"

CHECK_HELP = "run the program after every pass, and the hardware, and name what changed a value first"

MODEL_HELP = """\
MODEL is a Python file, or package.module:attribute. In a file, the model and its example inputs are found so:
  1. globals `model` (an nn.Module) and `example_inputs` (a tensor or tuple);
  2. functions `get_model()` and `get_sample_input()`;
  3. --model NAME --input f32[1,64], NAME being an nn.Module class or a callable without arguments.

exit status: 0 done; 1 the model was refused; 2 the command line was wrong; 3 a result check failed; 70 a fault of ours
"""


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are `UsageError`s."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, fix="see torch2hw --help, or torch2hw COMMAND --help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    try:
        return _run(list(sys.argv[1:] if arguments is None else arguments))
    except Torch2HWError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("torch2hw: interrupted; nothing was written", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001 - a fault of ours outside any pass
        from torch2hw.errors import InternalError

        print(InternalError(f"{type(error).__name__}: {error}", reproducer=_traceback_file(error)), file=sys.stderr)
        return InternalError.exit_status


def _traceback_file(error: Exception) -> str:
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="torch2hw-", suffix=".txt", delete=False) as file:
        file.write("".join(traceback.format_exception(error)))
    return file.name


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in (*COMMANDS, "-h", "--help", "--version"):
        arguments = ["compile", *arguments]
    parsed = _parser().parse_args(arguments)
    return COMMANDS[parsed.command](parsed)


def _parser() -> _Parser:
    parser = _Parser(
        prog="torch2hw",
        usage="torch2hw MODEL [options] -o OUT.sv\n       torch2hw COMMAND …",
        description="A PyTorch model becomes verified, statically scheduled SystemVerilog.",
        epilog=MODEL_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"torch2hw {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    compile_parser = _command(commands, "compile", "write SystemVerilog and its manifest (what no COMMAND means)")
    compile_parser.add_argument("-o", "--output", metavar="OUT.sv", type=Path, help="the file to write")
    compile_parser.add_argument(
        "--emit", choices=EMIT, default="sv", metavar="LEVEL", help=f"stop at a level and write it: {' '.join(EMIT)}"
    )
    compile_parser.add_argument("--stop-after", metavar="PASS", help="stop after a pass and write the program")
    compile_parser.add_argument("--check", action="store_true", help=CHECK_HELP)
    simulate = _command(commands, "simulate", "compile, run in Verilator, compare with the reference and PyTorch")
    simulate.add_argument(
        "--runs", type=_count, default=1, metavar="N", help="runs; all but the first on random inputs"
    )
    simulate.add_argument("--check", action="store_true", help=CHECK_HELP)
    simulate.add_argument("--trace", type=Path, metavar="FILE", help="write waveforms: a .vcd or .fst file")
    simulate.add_argument(
        "--trace-depth", type=_count, metavar="N", help="of the waveforms: so many levels of modules (all)"
    )
    simulate.add_argument(
        "--inputs", type=Path, metavar="FILE.npz", help="the inputs of the first run, by the names in the manifest"
    )
    simulate.add_argument(
        "--timeline",
        type=Path,
        metavar="FILE.json",
        help="write when each kernel ran, for Perfetto or chrome://tracing",
    )
    simulate.add_argument(
        "--netlist", action="store_true", help="run what Yosys synthesises of the design in its place, for minutes"
    )
    simulate.add_argument("--profile", type=Path, metavar="FILE.csv", help="write each kernel's cycles, stores and use")
    report = _command(commands, "report", "cycles, use of the lanes and resources, for each kernel and in total")
    report.add_argument(
        "--no-synthesis", action="store_true", help="leave out resources, for which Yosys takes a minute"
    )
    report.add_argument(
        "--fmax", action="store_true", help="place and route for ECP5, which takes minutes, for its clock"
    )
    testbench = _command(commands, "testbench", "write cocotb testbenches for the design, its kernels and its units")
    testbench.add_argument("-o", "--output", metavar="DIR", type=Path, required=True, help="the directory to make")
    testbench.add_argument("--seed", type=int, default=1, metavar="N", help="of the random stimulus (1)")
    fpga = _command(commands, "fpga", "write a synthesis project, and run it where the tools are free")
    fpga.add_argument("--flow", choices=("vivado", "yosys", "ecp5"), required=True, help="whose tools")
    fpga.add_argument("-o", "--output", metavar="DIR", type=Path, required=True, help="the directory to make")
    fpga.add_argument("--part", default=PART, metavar="PART", help=f"vivado: the device ({PART})")
    fpga.add_argument("--run", action="store_true", help="vivado: run it too")
    sweep = _command(commands, "sweep", "measure models over partition factors: CSV, plots and a page", several=True)
    sweep.set_defaults(partition="1,2,4")
    sweep.add_argument(
        "--no-synthesis", action="store_true", help="leave out resources, for which Yosys takes a minute"
    )
    sweep.add_argument(
        "--fmax", action="store_true", help="place and route for ECP5, which takes minutes, for its clock"
    )
    sweep.add_argument("-o", "--output", metavar="DIR", type=Path, required=True, help="the directory to make")
    units = commands.add_parser(
        "units", help="the hardware library for a format and period; with NAME and -o, one unit", allow_abbrev=False
    )
    units.add_argument("name", metavar="NAME", nargs="?", help="a unit, such as f32_add")
    units.add_argument("-o", "--output", metavar="UNIT.sv", type=Path, help="write it, and UNIT_tb.sv beside it")
    units.add_argument("--measure", action="store_true", help="LUT, FF, DSP and BRAM by Yosys, seconds for each unit")
    units.add_argument("--dtype", default="f32", metavar="TYPE", help="of the operands (f32)")
    units.add_argument("--clock-ns", metavar="T", default="3.33", help="the period that pipelining aims at (3.33)")
    units.add_argument("--subnormals", default="flush", metavar="HOW", help=f"{' or '.join(SUBNORMALS)} (flush)")
    units.add_argument("--json", action="store_true", help="print one JSON object")
    units.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors and what was asked for")
    fuzz = commands.add_parser(
        "fuzz",
        help="random models with random options, compared bit for bit; failures are shrunk and written",
        description="Compile, lint and simulate random models with random options, and compare every bit.",
        allow_abbrev=False,
    )
    fuzz.add_argument("--seeds", default="0..19", metavar="A..B", help="one model for each, both included (0..19)")
    fuzz.add_argument("--jobs", type=_count, default=1, metavar="J", help="processes on this machine (1)")
    fuzz.add_argument("--seconds", type=_count, metavar="S", help="start no model after so long")
    fuzz.add_argument("--dask", metavar="ADDRESS", help="run on the Dask cluster with this scheduler instead")
    fuzz.add_argument(
        "-o", "--output", metavar="DIR", type=Path, default=Path("fuzz"), help="outcomes.csv and failing models (fuzz)"
    )
    fuzz.add_argument("--grammar", action="store_true", help="print what the models are made of, and stop")
    fuzz.add_argument("--json", action="store_true", help="print one JSON object")
    fuzz.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors and what was asked for")
    passes = commands.add_parser(
        "passes", help="the ordered pass list; with NAME, that pass's contract", allow_abbrev=False
    )
    passes.add_argument("name", metavar="NAME", nargs="?")
    return parser


def _command(commands: Any, name: str, help_text: str, several: bool = False) -> argparse.ArgumentParser:
    """A subcommand that compiles a model, or several, with the common options."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=help_text,
        description=help_text[0].upper() + help_text[1:] + ".",
        epilog=MODEL_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    where = "a Python file, or package.module:attribute"
    if several:
        parser.add_argument("specs", metavar="MODEL", nargs="+", help=where)
    else:
        parser.add_argument("spec", metavar="MODEL", help=where)
        parser.add_argument(
            "--dump", type=Path, metavar="DIR", help="write the program after every pass that changed it"
        )
        parser.add_argument("--time", action="store_true", help="say how long each pass took")
        parser.add_argument("-v", "--verbose", action="store_true", help="say what each pass did")
    parser.add_argument("--model", metavar="NAME", help="the model's class or factory in the file")
    parser.add_argument(
        "--input",
        metavar="TYPE[SHAPE]",
        action="append",
        default=[],
        help="an example input, such as f32[1,64]; repeat for more",
    )
    parser.add_argument(
        "--partition", metavar="N", default="1", help="banks along each parallel dimension; N² lanes (1)"
    )
    parser.add_argument("--dtype", default="f32", metavar="TYPE", help=f"{' '.join(DTYPES)} (f32)")
    parser.add_argument("--clock-ns", metavar="T", default="3.33", help="the period that pipelining aims at (3.33)")
    parser.add_argument("--subnormals", default="flush", metavar="HOW", help=f"{' or '.join(SUBNORMALS)} (flush)")
    parser.add_argument("--schedule", default="static", metavar="HOW", help=f"{' or '.join(SCHEDULES)} (static)")
    parser.add_argument(
        "--sequential-banking",
        default=BANKINGS[0],
        metavar="HOW",
        help="sequential: dimension, an arm's bank is a constant; naive, every access has if/else for it (dimension)",
    )
    parser.add_argument(
        "--sequential-control",
        default=CONTROLS[0],
        metavar="HOW",
        help="sequential: shared, one controller for all arms of a loop nest; arms, one for each (shared)",
    )
    parser.add_argument(
        "--float-lib",
        metavar="hardfloat:DIR",
        help="add, sub, mul, compare and integer conversions from a copy of HardFloat-1 (with --subnormals keep)",
    )
    parser.add_argument("--no-overlap", action="store_true", help="static: kernels wait for the one before to end")
    parser.add_argument("--no-shared-units", action="store_true", help="static: every kernel has units of its own")
    parser.add_argument("--no-shared-memories", action="store_true", help="static: each buffer has a memory of its own")
    parser.add_argument("--top", metavar="NAME", help="the top module (the file's stem)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors and what was asked for")
    return parser


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: not a whole number of 1 or more")
    return int(text)


def _number(text: str, kind: Callable[[str], Any]) -> Any:
    """What is no number is given on as it is, for its user to refuse."""
    try:
        return kind(text)
    except ValueError:
        return text


def _options(parsed: argparse.Namespace) -> Options:
    """The common options."""
    return Options(
        partition=_number(parsed.partition, int),
        dtype=parsed.dtype,
        clock_ns=_number(parsed.clock_ns, float),
        subnormals=parsed.subnormals,
        top=parsed.top,
        schedule=parsed.schedule,
        sequential_banking=parsed.sequential_banking,
        sequential_control=parsed.sequential_control,
        float_lib=parsed.float_lib,
        overlap=not parsed.no_overlap,
        share_units=not parsed.no_shared_units,
        share_memories=not parsed.no_shared_memories,
    )


def _compile(
    parsed: argparse.Namespace, progress: Progress, stop_at: str | None = None, stop_after: str | None = None
) -> Compiled:
    options = _options(parsed)
    if options.float_lib is not None:
        from torch2hw.hwlib import hardfloat

        hardfloat.read(options.float_lib)  # what is missing is said before any work
    progress.step("start PyTorch")
    from torch2hw.frontend.load_model import load

    loaded = load(parsed.spec, parsed.model, parsed.input)
    progress.step("start the compiler")
    from torch2hw.compiler import compile_model

    compiled = compile_model(
        loaded,
        options,
        dump=parsed.dump,
        stop_at=stop_at,
        stop_after=stop_after,
        watch=progress.step,
        check=getattr(parsed, "check", False),
    )
    if parsed.verbose:
        for step in compiled.steps:
            for what, detail in step.report.items():
                print(f"{step.name}: {what}: {detail}", file=sys.stderr)
    if parsed.time:
        for step in compiled.steps:
            print(
                f"{step.seconds * 1e3:8.1f} ms  {step.verify_seconds * 1e3:6.1f} ms to verify  {step.name}",
                file=sys.stderr,
            )
        print(f"{compiled.seconds:8.2f} s   from the loaded model on", file=sys.stderr)
    return compiled


def _compile_command(parsed: argparse.Namespace) -> int:
    from torch2hw.output import check_writable, write_files
    from torch2hw.progress import Progress

    whole = parsed.emit == "sv" and parsed.stop_after is None
    if parsed.output is None and whole:
        raise UsageError("no output file", fix=f"add -o {Path(parsed.spec).stem.split(':')[-1]}.sv")
    if parsed.output is not None:
        check_writable(parsed.output)
    if parsed.stop_after is not None:
        _check_pass(parsed.stop_after)
    if parsed.emit == "hls" and (parsed.schedule == "sequential" or parsed.stop_after is not None):
        other = "--stop-after" if parsed.stop_after is not None else "--schedule sequential"
        raise UsageError(f"--emit hls: not there with {other}", fix="leave one of the two out")
    with Progress(parsed.quiet) as progress:
        stop_at = {"futil": "calyx", "hls": "scheduled"}.get(parsed.emit, parsed.emit)
        compiled = _compile(parsed, progress, stop_at, parsed.stop_after)
        if whole:
            from torch2hw.design_files import write_design

            if parsed.check:
                _check_hardware(compiled, progress)
            manifest = write_design(compiled, parsed.output)
    if parsed.check and not parsed.quiet:
        _print_checked(compiled, whole)
    if whole:
        import json

        if parsed.json:
            print(json.dumps(manifest, indent=2))
        elif not parsed.quiet:
            cycles, macs = f"{manifest['latency_cycles']:,}", f"{manifest['macs']:,}"
            print(f"{parsed.output}: {manifest['top']}, {cycles} cycles, multiply-accumulates: {macs}")
        return 0
    text = compiled.result.text()
    if parsed.emit == "futil":
        from torch2hw.dialects import calyx

        text = calyx.futil(text)
    if parsed.emit == "hls":
        from torch2hw.lowering import affine_to_hls

        text = affine_to_hls.emit(compiled.at("scheduled"))
    if parsed.output is None:
        sys.stdout.write(text)
    else:
        write_files({parsed.output: text})
    return 0


def _check_hardware(compiled: Compiled, progress: Progress) -> None:
    """Raise CheckError where the hardware differs from its reference on any of the inputs that the passes got."""
    from torch2hw.check import simulate_sets
    from torch2hw.sim.pass_checker import sets_for

    progress.step("build the simulation")
    sets = sets_for(compiled.imported, compiled.loaded.example_inputs)
    simulate_sets(compiled, sets, progress=progress.cycles).check()


def _print_checked(compiled: Compiled, whole: bool) -> None:
    moved = [str(checked) for checked in compiled.checked if not checked.exact]
    exact = len(compiled.checked) - len(moved)
    hardware = "; so is the hardware" if whole else ""
    print(f"check: bit for bit after {exact} of {len(compiled.checked)} passes{hardware}", file=sys.stderr)
    for line in moved:
        print(f"  {line}", file=sys.stderr)


def _simulate_command(parsed: argparse.Namespace) -> int:
    from torch2hw.output import check_writable, write_files
    from torch2hw.progress import Progress

    written = [path for path in (parsed.timeline, parsed.profile) if path is not None]
    for path in written:
        check_writable(path)
    if written and parsed.netlist:
        raise UsageError("a netlist has no kernels", fix="leave --timeline and --profile out, or --netlist")
    if written and parsed.schedule == "sequential":
        raise UsageError("--schedule sequential has no kernels", fix="leave --timeline and --profile out")
    with Progress(parsed.quiet) as progress:
        compiled = _compile(parsed, progress)
        from torch2hw.check import simulate_design
        from torch2hw.sim.simulation import Conditions

        if parsed.check:
            _check_hardware(compiled, progress)

        arguments = compiled.loaded.example_inputs
        if parsed.inputs is not None:
            from torch2hw.sim.input_files import read_inputs

            arguments = read_inputs(parsed.inputs, compiled.imported)
        progress.step("synthesise" if parsed.netlist else "build the simulation")
        result = simulate_design(
            compiled,
            arguments,
            runs=parsed.runs,
            conditions=Conditions(trace=parsed.trace, trace_depth=parsed.trace_depth or 0),
            progress=progress.cycles,
            monitored=bool(written),
            netlist=parsed.netlist,
        )
    if parsed.check and not parsed.quiet:
        _print_checked(compiled, True)
    if parsed.json:
        import json

        print(json.dumps(result.to_json(), indent=2))
    elif not parsed.quiet:
        print(result)
    result.check()
    if result.timeline is not None:
        texts = {parsed.timeline: result.timeline.trace, parsed.profile: result.timeline.table}
        write_files({path: text() for path, text in texts.items() if path is not None})
    return 0


def _report_command(parsed: argparse.Namespace) -> int:
    from torch2hw.progress import Progress

    with Progress(parsed.quiet) as progress:
        if parsed.schedule == "sequential":
            raise UsageError("report: not there for --schedule sequential", fix="torch2hw simulate gives its cycles")
        measured = parsed.fmax or not parsed.no_synthesis
        compiled = _compile(parsed, progress, None if measured else "calyx")
        from torch2hw.report import Report

        if measured:
            progress.step("synthesise" + (", place and route" if parsed.fmax else ""))
        report = Report.of(compiled, not parsed.no_synthesis, parsed.fmax)
    print(report.json_text() if parsed.json else report)
    if parsed.verbose:
        print(report.explanation(), file=sys.stderr)
    return 0


def _testbench_command(parsed: argparse.Namespace) -> int:
    from torch2hw.output import check_free
    from torch2hw.progress import Progress
    from torch2hw.sim.testbench import write_testbench

    check_free(parsed.output)
    with Progress(parsed.quiet) as progress:
        compiled = _compile(parsed, progress)
        progress.step("compute what the benches expect")
        write_testbench(compiled, compiled.loaded.example_inputs, parsed.output, parsed.seed)
    if not parsed.quiet:
        print(f"{parsed.output}: run pytest or make there; README.md says what is in it")
    return 0


def _fpga_command(parsed: argparse.Namespace) -> int:
    from torch2hw.fpga import flows
    from torch2hw.output import check_free
    from torch2hw.progress import Progress

    check_free(parsed.output)
    with Progress(parsed.quiet) as progress:
        compiled = _compile(parsed, progress)
        progress.step(f"run the {parsed.flow} flow")
        answer = flows.write_flow(compiled, parsed.flow, parsed.output, parsed.part, parsed.run)
    if not parsed.quiet:
        print(answer)
    return 0


def _sweep_command(parsed: argparse.Namespace) -> int:
    from torch2hw.benchmarks.measure import csv_text, json_text
    from torch2hw.benchmarks.sweep import partitions, sweep
    from torch2hw.progress import Progress

    factors = partitions(parsed.partition)
    parsed.partition = str(factors[0])
    options = _options(parsed)
    with Progress(parsed.quiet) as progress:
        points = sweep(
            parsed.specs,
            factors,
            options,
            parsed.output,
            model=parsed.model,
            inputs=parsed.input,
            synthesis=not parsed.no_synthesis,
            fmax=parsed.fmax,
            watch=progress.step,
        )
    if parsed.json:
        print(json_text(points), end="")
    elif not parsed.quiet:
        print(csv_text(points), end="")
    return 0


def _units_command(parsed: argparse.Namespace) -> int:
    from torch2hw import units
    from torch2hw.progress import Progress

    library = units.library_of(parsed.dtype, _number(parsed.clock_ns, float), parsed.subnormals)
    if parsed.output is not None:
        if parsed.name is None:
            raise UsageError("units: -o without NAME", fix="name one unit, such as f32_add; torch2hw units lists them")
        bench = units.write_unit(units.named(library, parsed.name, parsed.dtype), library, parsed.output)
        if not parsed.quiet and not parsed.json:
            print(f"{parsed.output}, {bench}: the unit and its testbench, which says how to run it")
    with Progress(parsed.quiet) as progress:
        listing = units.units(library, parsed.dtype, parsed.name, parsed.measure, progress.step)
    if parsed.json:
        import json

        print(json.dumps(listing.to_json(), indent=2))
    elif parsed.output is None or (parsed.measure and not parsed.quiet):
        print(listing)
    return 0


def _fuzz_command(parsed: argparse.Namespace) -> int:
    import re

    from torch2hw.sim import fuzz_models

    if parsed.grammar:
        print((fuzz_models.__doc__ or "").strip())
        return 0
    span = re.fullmatch(r"(\d+)(?:\.\.(\d+))?", parsed.seeds)
    seeds = range(int(span[1]), int(span[2] or span[1]) + 1) if span else range(0)
    if not seeds:
        raise UsageError(f"--seeds {parsed.seeds}: not a range of whole numbers", fix="use --seeds 0..99")
    from torch2hw.sim import fuzz_run
    from torch2hw.sim.fuzz import run_seed

    executor, width, task = fuzz_run.processes(parsed.jobs), parsed.jobs, run_seed
    if parsed.dask is not None:
        executor, width = fuzz_run.dask_cluster(parsed.dask)
        task = fuzz_run.in_a_process

    def tell(text: str) -> None:
        if not parsed.quiet:
            print(text, file=sys.stderr, flush=True)

    summary = fuzz_run.fuzz(seeds, executor, width, parsed.output, task=task, seconds=parsed.seconds, tell=tell)
    if parsed.json:
        import json

        print(json.dumps(summary.to_json(), indent=2))
    elif not parsed.quiet:
        print(summary)
    return 3 if summary.verdicts["failed"] else 0


def _passes_command(parsed: argparse.Namespace) -> int:
    from torch2hw.pipeline import SCHEDULES, contract_of

    if parsed.name is None:
        for schedule, passes in SCHEDULES.items():
            print(f"--schedule {schedule}")
            for number, step in enumerate(passes, 1):
                levels = step.source if step.source == step.target else f"{step.source} → {step.target}"
                print(f"{number:4}  {step.name:24}{levels}")
        return 0
    print(contract_of(_check_pass(parsed.name)))
    return 0


def _check_pass(name: str) -> Any:
    from torch2hw.pipeline import SCHEDULES

    found = [step for passes in SCHEDULES.values() for step in passes if step.name == name]
    if not found:
        raise UsageError(f"no pass is called {name}", fix="torch2hw passes lists them")
    return found[0]


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "compile": _compile_command,
    "simulate": _simulate_command,
    "report": _report_command,
    "testbench": _testbench_command,
    "fpga": _fpga_command,
    "sweep": _sweep_command,
    "fuzz": _fuzz_command,
    "units": _units_command,
    "passes": _passes_command,
}

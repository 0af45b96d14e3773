"""What the commands that compile a model share: their arguments, the options made of them, the compilation."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch2hw.commands.argument_types import number
from torch2hw.compiler.options import BANKINGS, CONTROLS, DTYPES, SCHEDULES, SUBNORMALS, Options
from torch2hw.tools.errors import UsageError

if TYPE_CHECKING:
    from torch2hw.compiler.compiled import Compiled
    from torch2hw.compiler.driver import Step
    from torch2hw.frontend.load_model import LoadedModel
    from torch2hw.progress import Progress

MODEL_HELP = """\
MODEL is a Python file, or package.module:attribute. Model and example inputs in a file are found in this order:
  1. globals `model` (an nn.Module) and `example_inputs` (a tensor or tuple);
  2. functions `get_model()` and `get_sample_input()`;
  3. --model NAME --input f32[1,64], NAME being an nn.Module class or a callable without arguments.

exit status: 0 done; 1 the model was refused; 2 the command line was wrong; 3 a result check failed; 70 a fault of ours
"""


def model_command(commands: Any, name: str, help_text: str, several: bool = False) -> argparse.ArgumentParser:
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
        "--partition", metavar="N", default="1", help="banks along each parallel dimension; N² lanes (default 1)"
    )
    parser.add_argument(
        "--dtype", default="f32", metavar="TYPE", help=f"number format: {' '.join(DTYPES)} (default f32)"
    )
    parser.add_argument(
        "--clock-ns", metavar="T", default="3.33", help="target clock period in nanoseconds (default 3.33)"
    )
    parser.add_argument(
        "--subnormals", default="flush", metavar="HOW", help=f"{' or '.join(SUBNORMALS)} (default flush)"
    )
    parser.add_argument(
        "--schedule", default="static", metavar="HOW", help=f"{' or '.join(SCHEDULES)} (default static)"
    )
    parser.add_argument(
        "--sequential-banking",
        default=BANKINGS[0],
        metavar="HOW",
        help="sequential: dimension, an arm's bank is a constant; naive, every access selects it (default dimension)",
    )
    parser.add_argument(
        "--sequential-control",
        default=CONTROLS[0],
        metavar="HOW",
        help="sequential: shared, one controller for all arms of a loop nest; arms, one per arm (default shared)",
    )
    parser.add_argument(
        "--float-lib",
        metavar="hardfloat:DIR",
        help="add, sub, mul, compare and integer conversions from a copy of HardFloat-1 (with --subnormals keep)",
    )
    parser.add_argument(
        "--no-overlap", action="store_true", help="static: a kernel starts when the one before it has ended"
    )
    parser.add_argument("--no-shared-units", action="store_true", help="static: kernels do not share units")
    parser.add_argument("--no-shared-memories", action="store_true", help="static: buffers do not share memories")
    parser.add_argument("--no-fused-loops", action="store_true", help="static: kernels do not share outer loops")
    parser.add_argument(
        "--no-iterative-units", action="store_true", help="static: dividers and square roots are pipelined"
    )
    parser.add_argument(
        "--no-paired-products", action="store_true", help="static: a multiplier for each product of codes"
    )
    parser.add_argument(
        "--ultra-ram", action="store_true", help="static: large memories without weights in UltraRAM (UltraScale+)"
    )
    parser.add_argument(
        "--fast-math",
        action="store_true",
        help="x / c is x * (1/c) for a constant c: smaller, up to 1 ulp off, and floor or == of it may differ",
    )
    parser.add_argument(
        "--quantize",
        metavar="HOW",
        help="quantise the model first: int8, or int4, weights of 4 bits; with :per-tensor, a weight has one scale",
    )
    parser.add_argument("--calibrate", metavar="FILE.npz", help="inputs to quantise the model with, by name")
    parser.add_argument(
        "--keep-float",
        metavar="NAME",
        action="append",
        default=[],
        help="a layer that stays in floats; repeat for more",
    )
    parser.add_argument(
        "--io", metavar="HOW", help="ports of a quantised model: float or int8, codes (default int8 with --quantize)"
    )
    parser.add_argument(
        "--sums",
        default="float",
        metavar="KIND",
        help="static: lanes that add to one sum use adders (float, the default) or a dot product unit (block)",
    )
    parser.add_argument(
        "--interface",
        default="mem",
        metavar="HOW",
        help="mem, memories inside; axis, AXI4-Stream, or axi, AXI4 master and AXI4-Lite, around double buffers "
        "(default mem)",
    )
    parser.add_argument(
        "--data-bits", metavar="W", help="bits of a beat: 32, 64, 128, 256 or 512 (default axis 32, axi 64)"
    )
    parser.add_argument(
        "--keep-state", action="store_true", help="what the model keeps in attributes stays in memories from run to run"
    )
    parser.add_argument("--top-function", metavar="NAME", help="of an .mlir file: the function that is the design")
    parser.add_argument("--top", metavar="NAME", help="name of the top module (default: the file's stem)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("-q", "--quiet", action="store_true", help="print only errors and requested output")
    return parser


def options_of(parsed: argparse.Namespace) -> Options:
    """The common options."""
    return Options(**option_fields(parsed))


def option_fields(parsed: argparse.Namespace) -> dict[str, Any]:
    """The fields of the common options, unchecked."""
    return {
        "partition": number(parsed.partition, int),
        "dtype": parsed.dtype,
        "clock_ns": number(parsed.clock_ns, float),
        "subnormals": parsed.subnormals,
        "top": parsed.top,
        "schedule": parsed.schedule,
        "sequential_banking": parsed.sequential_banking,
        "sequential_control": parsed.sequential_control,
        "float_lib": parsed.float_lib,
        "overlap": not parsed.no_overlap,
        "share_units": not parsed.no_shared_units,
        "share_memories": not parsed.no_shared_memories,
        "fuse_loops": not parsed.no_fused_loops,
        "iterative_units": not parsed.no_iterative_units,
        "paired_products": not parsed.no_paired_products,
        "ultra_ram": parsed.ultra_ram,
        "fast_math": parsed.fast_math,
        "quantize": parsed.quantize,
        "calibrate": parsed.calibrate,
        "keep_float": tuple(parsed.keep_float),
        "io": parsed.io,
        "sums": parsed.sums,
        "interface": parsed.interface,
        "keep_state": parsed.keep_state,
        "data_bits": None if parsed.data_bits is None else number(parsed.data_bits, int),
    }


def _check_outputs(parsed: argparse.Namespace) -> None:
    """Refuse files that would be written over the model or its inputs, and a folder for dumps that cannot be made."""
    from torch2hw.tools.output import check_folder

    for taken in (Path(parsed.spec), getattr(parsed, "inputs", None)):
        if taken is None or not taken.is_file():
            continue
        for option in ("output", "trace", "timeline", "profile"):
            path = getattr(parsed, option, None)
            if path is not None and path.exists() and path.samefile(taken):
                raise UsageError(f"{path}: cannot write: it is read by this command", fix="name another file")
    if parsed.dump is not None:
        check_folder("--dump", parsed.dump)


def compile_given(
    parsed: argparse.Namespace,
    progress: Progress,
    stop_at: str | None = None,
    stop_after: str | None = None,
    change: Callable[[LoadedModel], LoadedModel] = lambda loaded: loaded,
) -> Compiled:
    """Loads and compiles the model that the arguments name, up to a level or a pass if one is given; `change` makes
    what is compiled of the loaded model."""
    options = options_of(parsed)
    _check_outputs(parsed)
    if options.float_lib is not None:
        from torch2hw.hwlib import hardfloat

        hardfloat.read(options.float_lib)  # what is missing is said before any work
    progress.step("start PyTorch")
    from torch2hw.frontend.load_model import load

    loaded = change(load(parsed.spec, parsed.model, parsed.input, parsed.top_function))
    progress.step("start the compiler")
    from torch2hw.compiler.compiled import compile_model

    checker = None
    if getattr(parsed, "check", False):
        from torch2hw.sim.pass_checker import PassChecker

        checker = PassChecker.of
    compiled = compile_model(
        loaded,
        options,
        dump=parsed.dump,
        stop_at=stop_at,
        stop_after=stop_after,
        watch=progress.step,
        checker=checker,
    )
    report_steps(parsed, compiled.steps, compiled.seconds, "from the loaded model on")
    return compiled


def report_steps(parsed: argparse.Namespace, steps: Sequence[Step], seconds: float, since: str) -> None:
    """What `--verbose` and `--time` say of the passes that were run."""
    if parsed.verbose:
        for step in steps:
            for what, detail in step.report.items():
                print(f"{step.name}: {what}: {detail}", file=sys.stderr)
    if parsed.time:
        for step in steps:
            print(
                f"{step.seconds * 1e3:8.1f} ms  {step.verify_seconds * 1e3:6.1f} ms to verify  {step.name}",
                file=sys.stderr,
            )
        print(f"{seconds:8.2f} s   {since}", file=sys.stderr)

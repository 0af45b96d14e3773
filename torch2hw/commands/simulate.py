"""`torch2hw simulate`: compile, run the RTL in Verilator, compare with the reference and PyTorch."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch2hw.commands.argument_types import count
from torch2hw.commands.checking import CHECK_HELP, check_hardware, print_checked
from torch2hw.commands.model_arguments import compile_given, model_command
from torch2hw.tools.errors import UsageError

if TYPE_CHECKING:
    from torch2hw.compiler.compiled import Compiled
    from torch2hw.sim.check import SimulationResult


def add(commands: Any) -> None:
    """The command's arguments."""
    parser = model_command(commands, "simulate", "compile, run in Verilator, compare with the reference and PyTorch")
    parser.add_argument(
        "--runs",
        type=count,
        default=1,
        metavar="N",
        help="number of runs, after the first on random inputs (default 1)",
    )
    parser.add_argument("--check", action="store_true", help=CHECK_HELP)
    parser.add_argument(
        "--simulator",
        choices=("verilator", "icarus"),
        default="verilator",
        help="verilator, or icarus: slow, state is X at first, an X that reaches a result is found (default verilator)",
    )
    parser.add_argument("--trace", type=Path, metavar="FILE", help="write waveforms: a .vcd or .fst file")
    parser.add_argument(
        "--trace-depth", type=count, metavar="N", help="levels of modules in the waveforms (default all)"
    )
    parser.add_argument(
        "--inputs", type=Path, metavar="FILE.npz", help="the inputs of the first run, by the names in the manifest"
    )
    parser.add_argument(
        "--dataset", type=Path, metavar="FILE.npz", help="run on all rows of these arrays, and compare top-1 classes"
    )
    parser.add_argument(
        "--per-layer", action="store_true", help="compare every layer of the model with PyTorch, the worst first"
    )
    parser.add_argument("--labels", metavar="NAME", help="the array of the data set that holds the right classes")
    parser.add_argument(
        "--timeline",
        type=Path,
        metavar="FILE.json",
        help="write when each kernel ran, for Perfetto or chrome://tracing",
    )
    parser.add_argument(
        "--netlist", action="store_true", help="simulate the netlist that Yosys synthesises, which takes minutes"
    )
    parser.add_argument(
        "--profile", type=Path, metavar="FILE.csv", help="write each kernel's cycles, stores and lane utilisation"
    )


def run(parsed: argparse.Namespace) -> int:
    """Simulate, and print how the results compare."""
    from torch2hw.progress import Progress
    from torch2hw.tools.output import check_writable

    written = [path for path in (parsed.timeline, parsed.profile) if path is not None]
    for path in filter(None, (*written, parsed.trace)):
        check_writable(path)
    others = [name for name in ("inputs", "netlist", "timeline", "profile", "per_layer") if getattr(parsed, name)]
    if parsed.dataset is not None and (others or parsed.runs != 1):
        named = ", ".join(f"--{name.replace('_', '-')}" for name in (others or ["runs"]))
        raise UsageError(f"--dataset with {named}", why="a data set gives the runs", fix=f"leave {named} out")
    if parsed.labels is not None and parsed.dataset is None:
        raise UsageError("--labels without --dataset", fix="name the data set's file with --dataset")
    if parsed.trace_depth and not parsed.trace:
        raise UsageError("--trace-depth without --trace", fix="name the waveforms' file with --trace")
    if written and parsed.netlist:
        raise UsageError("a netlist has no kernels", fix="leave --timeline and --profile out, or --netlist")
    if written and parsed.schedule == "sequential":
        raise UsageError("--schedule sequential has no kernels", fix="leave --timeline and --profile out")
    icarus = parsed.simulator == "icarus"
    if icarus and (written or parsed.trace or parsed.netlist):
        raise UsageError(
            "--simulator icarus has no --trace, --timeline, --profile and --netlist",
            fix="leave them out, or --simulator verilator",
        )
    if parsed.interface != "mem" and (icarus or written or parsed.netlist):
        raise UsageError(
            f"--interface {parsed.interface} has no --timeline, --profile, --netlist and --simulator icarus",
            fix="leave them out, or --interface",
        )
    from torch2hw.sim.verilator_runtime import make_shared, trace_format
    from torch2hw.tools.processes import ahead

    shared = partial(make_shared, trace_format(parsed.trace))
    with Progress(parsed.quiet) as progress, nullcontext() if icarus else ahead(shared):
        compiled = compile_given(parsed, progress)
        from torch2hw.sim.check import simulate_design
        from torch2hw.sim.simulation import Conditions

        conditions = Conditions(
            state="unknown" if icarus else "random", trace=parsed.trace, trace_depth=parsed.trace_depth or 0
        )
        if parsed.check:
            check_hardware(compiled, progress)

        if parsed.dataset is not None:
            from torch2hw.frontend.input_sets import read_sets
            from torch2hw.sim.check import simulate_dataset

            codes = [port.codes for port in compiled.imported.inputs]
            sets, labels = read_sets("--dataset", parsed.dataset, compiled.loaded, parsed.labels, codes)
            progress.step("build the simulation")
            return _finish(parsed, compiled, simulate_dataset(compiled, sets, labels, conditions, progress.cycles))
        arguments = compiled.loaded.example_inputs
        if parsed.inputs is not None:
            from torch2hw.sim.input_files import read_inputs

            arguments = read_inputs(parsed.inputs, compiled.imported, compiled.loaded.ports)
        progress.step("synthesise" if parsed.netlist else "build the simulation")
        result = simulate_design(
            compiled,
            arguments,
            runs=parsed.runs,
            conditions=conditions,
            progress=progress.cycles,
            monitored=bool(written),
            netlist=parsed.netlist,
        )
        if parsed.per_layer:
            from torch2hw.sim.per_layer import per_layer

            progress.step("compare the layers")
            result = replace(result, layers=tuple(per_layer(compiled, arguments)))
    return _finish(parsed, compiled, result)


def _finish(parsed: argparse.Namespace, compiled: Compiled, result: SimulationResult) -> int:
    """Print the result, raise what is wrong with it, and write its files."""
    from torch2hw.tools.output import write_files

    if parsed.check and not parsed.quiet:
        print_checked(compiled.checked, True)
    if parsed.json:
        import json

        print(json.dumps(result.to_json(), indent=2))
    elif not parsed.quiet:
        print(result)
    result.check()
    if result.timeline is not None:
        texts = {parsed.timeline: result.timeline.trace, parsed.profile: result.timeline.table}
        write_files({path: text() for path, text in texts.items() if path is not None}, last=True)
    return 0

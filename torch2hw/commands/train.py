"""`torch2hw train`: forward, backward and update as one design whose parameters stay on chip."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch2hw.commands.argument_types import count, output_file
from torch2hw.commands.compile import print_design
from torch2hw.commands.model_arguments import compile_given, model_command
from torch2hw.tools.errors import UsageError

if TYPE_CHECKING:
    import torch

    from torch2hw.frontend.load_model import LoadedModel
    from torch2hw.frontend.training_step import TrainingStep
    from torch2hw.sim.training import TrainingResult


def add(commands: Any) -> None:
    """The command's arguments."""
    parser = model_command(commands, "train", "compile a training step, and train in simulation, as PyTorch does")
    parser.add_argument("--loss", required=True, metavar="LOSS", help="mse or cross_entropy")
    parser.add_argument(
        "--optimizer",
        required=True,
        metavar="HOW",
        help="sgd[:lr[,momentum]] or adam[:lr[,beta1,beta2[,eps]]]; defaults are torch.optim's",
    )
    parser.add_argument("--steps", type=count, metavar="K", help="simulate so many steps (with --data)")
    parser.add_argument(
        "--data", type=Path, metavar="FILE.npz", help="arrays x and y, of which each step takes a batch"
    )
    parser.add_argument("-o", "--output", metavar="OUT.sv", type=output_file, help="write the design and its manifest")


def run(parsed: argparse.Namespace) -> int:
    """Compile, write, simulate, as far as that was asked for."""
    from torch2hw.frontend.losses import loss_named
    from torch2hw.frontend.optimizers import optimizer_named
    from torch2hw.progress import Progress
    from torch2hw.tools.output import check_writable

    loss, optimizer = loss_named(parsed.loss), optimizer_named(parsed.optimizer)
    _check(parsed)
    if parsed.output is not None:
        check_writable(parsed.output)
    made: list[tuple[TrainingStep, list[list[torch.Tensor]]]] = []

    def step_of(loaded: LoadedModel) -> LoadedModel:
        from torch2hw.frontend.training_data import read_batches
        from torch2hw.frontend.training_step import training_step

        progress.step("trace the training step")
        step = training_step(loaded, loss, optimizer)
        made.append((step, [] if parsed.data is None else read_batches(parsed.data, step, parsed.steps)))
        return step.loaded

    result = None
    with Progress(parsed.quiet) as progress:
        compiled = compile_given(parsed, progress, change=step_of)
        ((step, batches),) = made
        if batches:
            from torch2hw.sim.training import simulate_training

            progress.step("build the simulation")
            result = simulate_training(compiled, step, batches, progress=progress.cycles)
    if result is not None:
        _print(parsed, result)
        result.simulation.check()
    if parsed.output is not None:
        from torch2hw.compiler.design_files import write_design

        manifest = write_design(compiled, parsed.output, last=True)
        if result is None:
            print_design(parsed, manifest)
    return 0


def _print(parsed: argparse.Namespace, result: TrainingResult) -> None:
    if parsed.json:
        import json

        print(json.dumps(result.to_json(), indent=2))
    elif not parsed.quiet:
        print(result)


def _check(parsed: argparse.Namespace) -> None:
    """Refuse what does not go together."""
    if (parsed.steps is None) != (parsed.data is None):
        given, other = ("--steps", "--data FILE.npz") if parsed.data is None else ("--data", "--steps K")
        raise UsageError(f"{given} without {other.split()[0]}", fix=f"add {other}")
    if parsed.steps is None and parsed.output is None:
        raise UsageError("nothing to do", fix="add -o OUT.sv, or --steps K --data FILE.npz")
    for option, value, only, why in (
        ("--schedule", parsed.schedule, "static", "its memories keep nothing from run to run"),
        ("--interface", parsed.interface, "mem", "the parameters have ports of memories"),
        ("--dtype", parsed.dtype, "f32", "updates are smaller than the steps of a narrow format"),
        ("--quantize", parsed.quantize, None, "codes have no gradients"),
        ("--io", parsed.io, None, "codes have no gradients"),
        ("--keep-state", parsed.keep_state, False, "a training step is traced from one state of the model"),
    ):
        if value != only:
            given = option if value is True else f"{option} {value}"
            raise UsageError(f"train: unsupported with {given}", why=why, fix=f"leave {option} out")

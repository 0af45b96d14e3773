"""`python -m torch2hw.benchmarks.training`: an MLP and a CNN trained on scikit-learn's digits, in simulation.

Every step is bit-exact with its reference, or the command fails. Writes training.json and training.md; points that are
not measured this time stay as they are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from torch2hw.benchmarks.tables import number, table
from torch2hw.compiler.compiled import compile_model
from torch2hw.compiler.options import Options
from torch2hw.explore.measure import Point, json_text, read_points
from torch2hw.frontend.load_model import load
from torch2hw.frontend.losses import loss_named
from torch2hw.frontend.optimizers import optimizer_named
from torch2hw.frontend.training_step import training_step
from torch2hw.sim.training import simulate_training
from torch2hw.tools.output import write_files

HERE = Path(__file__).resolve().parent
MODELS = {"Mlp": "sgd:0.1,0.9", "Cnn": "adam:0.01"}
BATCH = 8


def main(arguments: list[str] | None = None) -> int:
    """Measure, and write after every point."""
    parser = argparse.ArgumentParser(
        prog="python -m torch2hw.benchmarks.training", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--only", metavar="NAME", choices=MODELS, help="of the models, this one")
    parser.add_argument("--partition", metavar="N,…", default="1,2,4", help="partition factors (1,2,4)")
    parser.add_argument("--steps", type=int, default=100, metavar="K", help="steps of each run (100)")
    parser.add_argument("-o", "--output", type=Path, default=HERE, metavar="DIR", help="where the results are")
    parsed = parser.parse_args(arguments)
    file = parsed.output / "training.json"
    points = {(point["model"], point["partition"]): point for point in read_points(file)}
    for model in [parsed.only] if parsed.only else MODELS:
        for n in map(int, parsed.partition.split(",")):
            print(f"{model}, N = {n}", file=sys.stderr, flush=True)
            points[model, n] = trained(model, n, parsed.steps)
            found = [points[key] for key in sorted(points)]
            write_files({file: json_text(found, resource_tool=None), file.with_suffix(".md"): markdown(found)})
    return 0


def digits(steps: int) -> list[list[torch.Tensor]]:
    """Batches of images, pixels from 0 to 1, and their classes, in the data set's order, wrapping."""
    from sklearn.datasets import load_digits  # type: ignore[import-untyped]

    x, y = load_digits(return_X_y=True)
    images = (x / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    rows = [(np.arange(BATCH) + step * BATCH) % len(images) for step in range(steps)]
    return [[torch.from_numpy(images[at]), torch.from_numpy(y[at].astype(np.int64))] for at in rows]


def trained(model: str, n: int, steps: int) -> Point:
    """A training run. Raises CheckError where the hardware is not its reference."""
    loaded = load(str(HERE / "models" / "digits.py"), model, [f"f32[{BATCH},1,8,8]"])
    step = training_step(loaded, loss_named("cross_entropy"), optimizer_named(MODELS[model]))
    compiled = compile_model(step.loaded, Options(partition=n))
    result = simulate_training(compiled, step, digits(steps))
    result.simulation.check()
    told = result.to_json()
    keys = ("steps", "cycles_per_step", "macs", "mac_lanes", "mac_utilization", "max_param_rel_err", "bit_exact")
    shown = sorted({0, *range(9, steps, 10), steps - 1})
    return {
        "model": model,
        "optimizer": MODELS[model],
        "partition": n,
        **{key: told[key] for key in (*keys, "torch_float64")},
        "losses": {str(at + 1): told["losses"][at] for at in shown},
        "torch_losses": {str(at + 1): told["torch_losses"][at] for at in shown},
    }


def markdown(points: Sequence[Mapping[str, Any]]) -> str:
    """The table of runs, and that of losses."""
    runs = [
        (
            point["model"],
            point["optimizer"],
            str(point["partition"]),
            number(point["cycles_per_step"]),
            number(point["mac_lanes"]),
            f"{point['mac_utilization']:.1%}",
            f"{point['max_param_rel_err']:.1e}",
            f"{point['torch_float64']['hw_max_param_rel_err']:.1e}",
            f"{point['torch_float64']['torch_max_param_rel_err']:.1e}",
        )
        for point in points
    ]
    losses = [
        (point["model"], str(point["partition"]), who, *(f"{value:.4f}" for value in point[key].values()))
        for point in points
        for who, key in (("hardware", "losses"), ("PyTorch", "torch_losses"))
    ]
    titles = ("model", "optimizer", "N", "cycles of a step", "lanes", "MAC use", "from PyTorch", "float64", "PyTorch's")
    steps = list(points[0]["losses"])
    parts = [
        "# Training",
        "Written by `python -m torch2hw.benchmarks.training`. Classifiers of scikit-learn's digits in simulation, in "
        f"batches of {BATCH}, cross entropy. Every loss, parameter and optimizer state after every step is bit-exact "
        "with the reference. Distances are of parameters, the largest of all steps, relative to the largest of a "
        "tensor: from PyTorch, from PyTorch in float64, and PyTorch's own from float64.",
        table(titles, runs),
        f"Loss before steps {', '.join(steps)}:",
        table(("model", "N", "", *steps), losses),
    ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())

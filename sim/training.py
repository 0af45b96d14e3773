"""Simulate a training step many times, and compare losses and parameters with PyTorch's own training.

Two comparisons. Each step of the hardware is compared bit for bit with the reference, and with PyTorch's step from the
same state (`check.simulate_sets`). And the whole run is compared with PyTorch's, by its own loss and optimizer from
the same first parameters: there, differences of rounding add up. The yardstick for them is how far PyTorch's own run
is from the same run in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from torch2hw.analysis.stored_arrays import from_torch
from torch2hw.compiler.compiled import Compiled
from torch2hw.frontend.quiet import copied
from torch2hw.frontend.training_step import TrainingStep
from torch2hw.sim.check import SimulationResult, simulate_sets
from torch2hw.sim.simulation import Conditions

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Trained:
    """A training run: the loss of each step before its update, and the parameters after it, in the model's order."""

    losses: list[float]
    parameters: list[list[Values]]

    def distance(self, other: Trained) -> float:
        """The largest difference of any parameter after any step, relative to the largest of `other` in that tensor."""
        pairs = [
            (mine, theirs)
            for step, others in zip(self.parameters, other.parameters, strict=True)
            for mine, theirs in zip(step, others, strict=True)
        ]
        return max(_relative(mine, theirs) for mine, theirs in pairs)


def _relative(mine: Values, theirs: Values) -> float:
    difference = float(np.max(np.abs(mine - theirs)))
    if difference == 0:
        return 0.0
    largest = float(np.max(np.abs(theirs)))
    return difference / largest if largest else float("inf")


@dataclass(frozen=True)
class TrainingResult:
    """`simulation` has the comparison with the reference, of every output and state after every step."""

    hardware: Trained
    torch: Trained
    float64: Trained | None
    simulation: SimulationResult

    def to_json(self) -> dict[str, Any]:
        """The object of `train --json`."""
        simulated = self.simulation.to_json()
        kept = ("model", "top", "partition", "macs", "mac_lanes", "mac_utilization", "first_mismatch")
        found = {
            **{key: simulated[key] for key in kept if key in simulated},
            "steps": len(self.hardware.losses),
            "losses": self.hardware.losses,
            "torch_losses": self.torch.losses,
            "max_param_rel_err": self.hardware.distance(self.torch),
            "bit_exact": self.simulation.bit_exact,
            "cycles_per_step": simulated["predicted_cycles"],
        }
        if self.float64 is not None:
            found["torch_float64"] = {
                "hw_max_param_rel_err": self.hardware.distance(self.float64),
                "torch_max_param_rel_err": self.torch.distance(self.float64),
            }
        return found | {"seconds": simulated["seconds"]}

    def __str__(self) -> str:
        facts, losses = self.to_json(), self.hardware.losses
        exact = "bit-exact with its reference" if self.simulation.bit_exact else "WRONG"
        use = f", {facts['mac_utilization']:.1%} used" if "mac_utilization" in facts else ""
        steps = f"{len(losses)} step{'s' if len(losses) > 1 else ''}"
        lines = [
            f"{facts['top']}: {exact} ({steps})",
            f"  cycles of a step: {facts['cycles_per_step']:,}",
            f"  multiply-accumulates: {facts['macs']:,}, lanes: {facts['mac_lanes']}{use}",
            f"  loss: {losses[0]:.6g} at first, {losses[-1]:.6g} at last; PyTorch's: {self.torch.losses[0]:.6g}, "
            f"{self.torch.losses[-1]:.6g}",
            f"  parameters: {facts['max_param_rel_err']:.3g} from PyTorch's, relative to the largest of a tensor",
        ]
        if self.float64 is not None:
            ours, theirs = facts["torch_float64"].values()
            lines.append(f"  from PyTorch in float64: {ours:.3g}; PyTorch's own distance is {theirs:.3g}")
        lines.append("  seconds: " + ", ".join(f"{step} {seconds:.1f}" for step, seconds in facts["seconds"].items()))
        return "\n".join(lines)


def simulate_training(
    compiled: Compiled,
    step: TrainingStep,
    batches: Sequence[Sequence[torch.Tensor]],
    conditions: Conditions | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> TrainingResult:
    """Run the design once for each batch (inputs, then targets)."""
    sets = [[from_torch(tensor) for tensor in batch] for batch in batches]
    simulation = simulate_sets(compiled, sets, conditions=conditions, progress=progress)
    width = len(compiled.imported.results)
    rows = [simulation.results[at : at + width] for at in range(0, len(simulation.results), width)]
    hardware = Trained(
        [float(row[0].hardware) for row in rows],
        [[each.hardware.astype(np.float64) for each in row[1 : 1 + len(step.parameters)]] for row in rows],
    )
    return TrainingResult(hardware, train(step, batches), _in_float64(step, batches), simulation)


def train(step: TrainingStep, batches: Sequence[Sequence[torch.Tensor]], wide: bool = False) -> Trained:
    """PyTorch's own training, by its loss and optimizer; with `wide`, in float64."""
    model = copied(step.original)
    model = model.double() if wide else model
    parameters = dict(model.named_parameters())
    trained = [parameters[name] for name in step.parameters]
    optimizer = step.optimizer.of_torch(trained)
    losses: list[float] = []
    states: list[list[Values]] = []
    for batch in batches:
        *inputs, target = [each.double() if wide and each.is_floating_point() else each for each in batch]
        optimizer.zero_grad()
        loss = step.loss.of_torch(step.scores(model, inputs), target)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
        states.append([each.detach().double().numpy().copy() for each in trained])
    return Trained(losses, states)


def _in_float64(step: TrainingStep, batches: Sequence[Sequence[torch.Tensor]]) -> Trained | None:
    """None where the model fixes a type inside."""
    try:
        return train(step, batches, wide=True)
    except RuntimeError:
        return None

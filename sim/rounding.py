"""How far a result may move where a pass declares that it rounds in other places.

A pass that adds in another order, or multiplies by a rounded reciprocal, changes last bits: by how much depends on the
computation, not on the pass. The yardstick is PyTorch in float64. A tensor's *scale* is the largest of

- the distance of the values before the pass from float64,
- the distance that float64 itself moves when every input, weight and result on the way is moved by half an ulp of
  float32, at random (`PERTURBATIONS` times): a sum whose terms cancel moves far. A sum of n terms is moved by sqrt(n)
  halves of an ulp, for it is rounded n times (Higham, Accuracy and Stability of Numerical Algorithms, section 2.8);
  mean and variance of a normalisation are results on the way; with `--dtype bf16` or `f16`, every result is moved by
  half an ulp of that format besides, for it may be stored,
- one ulp of float32 of the tensor's largest magnitude, and the smallest normal number.

Values after the pass may be `FACTOR` scales from float64. Elements that are not finite, or so large that a partial sum
may overflow, are not compared. Where PyTorch cannot run the model in float64, its answer in float32 takes that place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch._decomp import get_decompositions
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from torch2hw.analysis.stored_arrays import Array, to_float64
from torch2hw.dialects.number_types import number_type
from torch2hw.frontend.quiet import copied
from torch2hw.sim import pytorch

FACTOR = 8.0
PERTURBATIONS = 3
HALF_ULP = 2.0**-24
ULP = 2.0**-23
SMALLEST_NORMAL = 2.0**-126
LARGEST_COMPARED = 2.0**124
Values = npt.NDArray[np.float64]
aten = torch.ops.aten
NORMALISATIONS = get_decompositions(
    [aten.native_group_norm, aten.native_layer_norm, aten.native_batch_norm, aten._native_batch_norm_legit]
)


@dataclass(frozen=True)
class Yardstick:
    """For each output of one set of inputs: its values in float64, and how far rounding inputs and weights moves it."""

    exact: tuple[Values, ...]
    moved: tuple[float, ...]

    @staticmethod
    def of(model: torch.nn.Module, inputs: Sequence[object], dtype: str = "f32") -> Yardstick:
        """Measured with PyTorch; the same every time. `dtype` is the format of `--dtype`."""
        form = number_type(dtype).format
        assert form is not None
        stored = 0.0 if dtype == "f32" else 2.0**-form.significand_bits
        wide = pytorch.run_float64(model, inputs)
        answers = pytorch.run(model, inputs) if wide is None else wide
        exact = tuple(tensor.double().numpy() for tensor in answers)
        moved = [0.0] * len(exact)
        for seed in range(0 if wide is None else PERTURBATIONS):
            generator = torch.Generator().manual_seed(seed)
            for k, tensor in enumerate(_run_moved(model, inputs, generator, stored)):
                with np.errstate(invalid="ignore"):  # of two infinities
                    moved[k] = max(moved[k], _largest(tensor.double().numpy() - exact[k]))
        return Yardstick(exact, tuple(moved))

    def scales(self, number: int, before: Array, after: Array, dtype: str) -> tuple[float, tuple[int, ...]]:
        """How many scales output `number` is from float64 after the pass, at most, and at which element."""
        old, new, exact = to_float64(before, dtype), to_float64(after, dtype), self.exact[number]
        with np.errstate(invalid="ignore", over="ignore"):
            compared = (np.abs(exact) < LARGEST_COMPARED) & (np.abs(old) < LARGEST_COMPARED)
            magnitude = _largest(np.where(compared, exact, 0.0))
            before_moved = _largest(np.where(compared, old - exact, 0.0))
            scale = max(before_moved, self.moved[number], ULP * magnitude, SMALLEST_NORMAL)
            distances = np.where(compared, np.abs(new - exact) / scale, 0.0)
        if distances.size == 0:
            return 0.0, ()
        distances = np.where(np.isnan(distances), np.inf, distances)
        place = np.unravel_index(int(distances.argmax()), distances.shape)
        return float(distances[place]), tuple(int(i) for i in place)


class MovedResults(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Multiplies what every operation of PyTorch computes by 1 ± half an ulp, more for sums. Views stay views.

    `stored` is half an ulp of the format in memory, relative; 0 where that is float32."""

    def __init__(self, generator: torch.Generator, stored: float = 0.0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.generator, self.stored = generator, stored

    def __torch_dispatch__(
        self, func: Any, types: object, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in NORMALISATIONS:
            with self:
                return NORMALISATIONS[func](*args, **(kwargs or {}))
        results = func(*args, **(kwargs or {}))
        if any(given.alias_info is not None for given in func._schema.returns):
            return results
        terms = max((leaf.numel() for leaf in tree_leaves(args) if isinstance(leaf, torch.Tensor)), default=1)

        def moved(leaf: object) -> object:
            if not isinstance(leaf, torch.Tensor) or not leaf.is_floating_point() or not leaf.numel():
                return leaf
            rounded = max(1.0, terms / leaf.numel()) ** 0.5
            return leaf * _factors(leaf, self.generator, rounded + self.stored / HALF_ULP)

        return tree_map(moved, results)


def _largest(values: Values) -> float:
    finite = values[np.isfinite(values)]
    return float(np.abs(finite).max(initial=0.0))


def _run_moved(
    model: torch.nn.Module, inputs: Sequence[object], generator: torch.Generator, stored: float
) -> list[torch.Tensor]:
    wide, moved = _moved_model(model, generator), _moved(inputs, generator)
    with MovedResults(generator, stored):
        return pytorch.run(wide, moved)


def _moved_model(model: torch.nn.Module, generator: torch.Generator) -> torch.nn.Module:
    wide = copied(model).double()
    with torch.no_grad():
        for tensor in (*wide.parameters(), *wide.buffers()):
            if tensor.is_floating_point():
                tensor.mul_(_factors(tensor, generator))
    return wide


def _moved(inputs: Sequence[object], generator: torch.Generator) -> Sequence[object]:
    def leaf(value: object) -> object:
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            return value.double() * _factors(value, generator)
        return value

    moved: tuple[object, ...] = tree_map(leaf, tuple(inputs))
    return moved


def _factors(tensor: torch.Tensor, generator: torch.Generator, halves: float = 1.0) -> torch.Tensor:
    signs = torch.randint(0, 2, tensor.shape, generator=generator).double() * 2 - 1
    return 1 + HALF_ULP * halves * signs

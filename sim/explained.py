"""Whether rounding explains how far a design's results are from PyTorch's.

Both compute in the same format, from the same inputs and weights. They may round in other places: in sums, whose terms
are added in another order, and in functions such as exp. Additions of two numbers, products, quotients, roots,
comparisons and conversions are rounded correctly by both. So PyTorch runs the model again, `RUNS` times, with results
moved at random as another implementation may (`RoundedOtherwise`):

- a sum of n terms by up to sqrt(n) half ulps of its largest term, unless all terms are whole numbers and no sum of them
  reaches 2^24: then it is exact in every order (Higham, Accuracy and Stability of Numerical Algorithms, section 2.8);
- other functions by up to `FUNCTION_ULP` ulps, unless the result is a whole number, for exp(0) is 1 and log2(8) is 3;
- with `--fast-math` quotients too, and whole ones;
- numbers that become codes as `quantised` says, which also says how far codes may be from PyTorch's;
- with `--dtype bf16` or `f16` any result by up to half an ulp of that format, unless the format holds it, and to an
  infinity beyond its range: a design rounds those that it stores;
- which of equal elements `topk` and an unstable `sort` take is open;
- where `searchsorted` and `bucketize` find a place in a sequence that is not sorted is open;
- with subnormals flushed, a subnormal may be zero, of a constant too; a NaN or a number out of range as an integer may
  be any.

An integer or boolean that all these runs give as PyTorch did is *certain*, and must be the design's too. Of floats, the
largest distance of any of these runs (or one ulp of the largest value) is the scale, and the design may be `FACTOR`
scales away; no rounding explains more. Elements that are not finite in both are not compared.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from torch2hw.analysis.stored_arrays import Array, from_torch, to_float64, to_words
from torch2hw.compiler.options import Options
from torch2hw.dialects.number_types import number_type
from torch2hw.frontend.in_format import torch_format
from torch2hw.sim import pytorch
from torch2hw.sim.compare import Mismatch
from torch2hw.sim.quantised import DEQUANTISE, moved_code, output_steps, too_far
from torch2hw.sim.rounding import LARGEST_COMPARED, NORMALISATIONS, SMALLEST_NORMAL

RUNS = 8
FUNCTION_ULP = 4
FACTOR = 16.0
NEAR = 2.0**-14  # of the largest value: a float this near PyTorch's needs no explanation
WHOLE = 2.0**24

aten = torch.ops.aten
ROUNDED_ALIKE = frozenset(
    (aten.sub, aten.mul, aten.div, aten.sqrt, aten.neg, aten.abs, aten.sign, aten._to_copy, aten.clone, aten.copy)
    + (aten.floor, aten.ceil, aten.trunc, aten.round, aten.relu, aten.maximum, aten.minimum, aten.fmax, aten.fmin)
    + (aten.clamp, aten.clamp_min, aten.clamp_max, aten.where, aten.cat, aten.stack, aten.gather, aten.index, aten.max)
    + (
        aten.min,
        aten.amax,
        aten.amin,
        aten.argmax,
        aten.argmin,
        aten.index_select,
        aten.embedding,
        aten.constant_pad_nd,
    )
    + (aten.roll, aten.flip, aten.repeat, aten.masked_fill, aten.scatter, aten.index_put, aten.max_pool2d_with_indices)
    + (aten.hardtanh, aten.threshold, aten.leaky_relu, aten.full, aten.arange, aten.cummax, aten.cummin, aten.fmod)
    + (aten.sort, aten.topk, aten.tril, aten.triu, aten.max_pool3d_with_indices, aten.slice_scatter, aten.fill)
)
"""Operations that round each result once, correctly, or not at all."""
ORDERING = {aten.topk.default, aten.sort.default, aten.kthvalue.default, aten.median.dim, aten.mode.default}
SEQUENCES = {aten.searchsorted.Tensor: 0, aten.bucketize.Tensor: 1}
"""Operations that search, and which operand is the sequence."""


class RoundedOtherwise(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Moves what operations of PyTorch compute, as the module's docstring says. Views stay views."""

    def __init__(
        self, generator: torch.Generator, flush: bool, fast_math: bool, stored: torch.dtype = torch.float32
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.generator, self.flush, self.stored = generator, flush, stored
        self.alike = ROUNDED_ALIKE - {aten.div} if fast_math else ROUNDED_ALIKE

    def __torch_dispatch__(
        self, func: Any, types: object, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if self.flush and not any(given.alias_info is not None for given in func._schema.arguments):
            args, kwargs = tree_map(self._flushed_operand, (args, kwargs))
        code = moved_code(func, args, kwargs, self.generator)
        if code is not None:
            return code
        if func in NORMALISATIONS:
            with self:
                return NORMALISATIONS[func](*args, **kwargs)
        if func in ORDERING:
            return self._with_ties(func, args, kwargs)
        results = func(*args, **kwargs)
        if func in SEQUENCES:
            return self._with_open_places(results, args[SEQUENCES[func]])
        if any(given.alias_info is not None for given in func._schema.returns):
            return results
        operands = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        alike = (
            func.overloadpacket in self.alike
            or str(func).startswith(DEQUANTISE)
            or (func.overloadpacket is aten.add and kwargs.get("alpha", 1) == 1)
        )

        def moved(leaf: object) -> object:
            if not isinstance(leaf, torch.Tensor) or not leaf.numel():
                return leaf
            if not leaf.is_floating_point():
                return self._undefined(leaf, operands) if func is aten._to_copy.default else leaf
            changed = leaf if alike else self._moved(leaf, operands, func.overloadpacket is aten.div)
            if self.stored != torch.float32 and leaf.dtype == torch.float32:
                changed = self._rounded(changed)
            return self._flushed(changed) if self.flush else changed

        return tree_map(moved, results)

    def _random(self, like: torch.Tensor) -> torch.Tensor:
        """Between -1 and 1."""
        return torch.empty(like.shape, dtype=like.dtype).uniform_(-1, 1, generator=self.generator)

    def _moved(self, leaf: torch.Tensor, operands: Sequence[torch.Tensor], inexact: bool) -> torch.Tensor:
        floats = [each for each in operands if each.is_floating_point() and each.numel()]
        ulp = torch.finfo(leaf.dtype).eps
        terms = max((each.numel() for each in operands), default=1) / leaf.numel()
        if terms > 1:
            sizes = [float(each.abs().nan_to_num(0, 0, 0).max()) for each in floats]
            largest = float(np.prod(sizes[:2])) if sizes else 0.0
            whole = all(bool((each == each.round()).all()) for each in floats)
            if whole and largest * terms < min(WHOLE, 2 / ulp):
                return leaf
            by: torch.Tensor = self._random(leaf) * (largest * ulp / 2 * float(terms**0.5))
            return leaf + by
        ulps = torch.randint(-FUNCTION_ULP, FUNCTION_ULP + 1, leaf.shape, generator=self.generator).to(leaf.dtype)
        return torch.where((leaf == leaf.round()) & (not inexact), leaf, leaf * (1 + ulps * ulp))

    def _rounded(self, leaf: torch.Tensor) -> torch.Tensor:
        """Moved by up to half an ulp of the format in memory, where that does not hold it; what is beyond the format's
        range may be infinite."""
        short, limits = leaf.to(self.stored).to(leaf.dtype), torch.finfo(self.stored)
        by = self._random(leaf) * leaf.abs().clamp_min(limits.tiny) * (limits.eps / 2)
        beyond = ~short.isfinite() & (self._random(leaf) > 0)
        return torch.where(beyond, short, torch.where((short == leaf) | ~short.isfinite(), leaf, leaf + by))

    def _flushed_operand(self, leaf: object) -> object:
        if isinstance(leaf, torch.Tensor) and leaf.is_floating_point():
            return self._flushed(leaf) if bool(((leaf != 0) & (leaf.abs() < SMALLEST_NORMAL)).any()) else leaf
        return leaf

    def _with_open_places(self, places: torch.Tensor, sequence: torch.Tensor) -> torch.Tensor:
        if not bool((sequence.diff(dim=-1) < 0).any()):
            return places
        open_ = torch.randint(0, sequence.shape[-1] + 1, places.shape, generator=self.generator)
        return open_.to(places.dtype)

    def _flushed(self, leaf: torch.Tensor) -> torch.Tensor:
        subnormal = (leaf != 0) & (leaf.abs() < SMALLEST_NORMAL)
        return torch.where(subnormal & (self._random(leaf) > 0), leaf * 0, leaf)

    def _undefined(self, leaf: torch.Tensor, operands: Sequence[torch.Tensor]) -> torch.Tensor:
        """Any integer where it was no number that the type holds."""
        if not operands or not operands[0].is_floating_point() or leaf.dtype == torch.bool:
            return leaf
        limits, value = torch.iinfo(leaf.dtype), operands[0].double()
        held = (value > limits.min - 1.0) & (value < limits.max + 1.0)
        anything = torch.where(self._random(value) > 0, limits.min, limits.max).to(leaf.dtype)
        return torch.where(held, leaf, anything)

    def _with_ties(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """The values; and the places as they are where equal elements are told apart at random."""
        values, places = func(*args, **kwargs)
        x = args[0]
        if x.is_floating_point():
            ulp = torch.finfo(x.dtype).eps
            apart = torch.where(x == 0, self._random(x) * SMALLEST_NORMAL, x * (1 + self._random(x) * ulp / 2))
            _, places = func(apart, *args[1:], **kwargs)
        return values, places


@dataclass(frozen=True)
class Unexplained:
    """An element whose distance to PyTorch no rounding explains: the design's, or that of the oracle `by`."""

    mismatch: Mismatch
    by: str | None = None

    @property
    def what(self) -> str:
        """What is wrong."""
        if self.by is None:
            return "the design computes something else than PyTorch"
        return f"torch2hw reads the file as another model than {self.by} does, whose result is the first"

    def __str__(self) -> str:
        found = self.mismatch
        return f"{found.place} is {found.value(found.got)}, PyTorch computes {found.value(found.expected)}"


def unexplained(
    model: torch.nn.Module,
    inputs: Sequence[object],
    names: Sequence[str],
    dtypes: Sequence[str],
    expected: Sequence[Array],
    hardware: Sequence[Array],
    options: Options,
) -> Unexplained | None:
    """The first element of the design's outputs that no rounding explains; `expected` are PyTorch's, in stored form."""
    suspects = [k for k, dtype in enumerate(dtypes) if _differs(hardware[k], expected[k], dtype)]
    if not suspects:
        return None
    steps = output_steps(model, inputs) or [None] * len(dtypes)
    runs = [_run_otherwise(model, inputs, seed, options) for seed in range(RUNS)]
    for k in suspects:
        others = [run[k] for run in runs if run is not None]
        if len(others) < RUNS:
            continue  # moved values lead to places that are none
        check: Callable[..., npt.NDArray[np.bool_]] = _too_far if number_type(dtypes[k]).is_float else _certain
        step = steps[k]
        if step is not None:
            check = functools.partial(too_far, step=step)
        wrong = np.flatnonzero(check(hardware[k], expected[k], others, dtypes[k]))
        if wrong.size:
            index = tuple(int(i) for i in np.unravel_index(int(wrong[0]), hardware[k].shape))
            words = (int(to_words(each, dtypes[k])[int(wrong[0])]) for each in (expected[k], hardware[k]))
            return Unexplained(Mismatch(names[k], index, dtypes[k], *words))
    return None


def _run_otherwise(model: torch.nn.Module, inputs: Sequence[object], seed: int, options: Options) -> list[Array] | None:
    generator, flush = torch.Generator().manual_seed(seed), options.subnormals == "flush"
    try:
        with RoundedOtherwise(generator, flush, options.fast_math, torch_format(options.dtype)):
            answers = pytorch.run(model, inputs)
    except (RuntimeError, IndexError):
        return None
    return [from_torch(tensor) for tensor in answers]


def _differs(hardware: Array, expected: Array, dtype: str) -> bool:
    if not number_type(dtype).is_float:
        return not np.array_equal(hardware, expected)
    distance, largest = _distance(hardware, expected, dtype)
    return bool((distance > NEAR * largest + SMALLEST_NORMAL).any())


def _distance(left: Array, right: Array, dtype: str) -> tuple[npt.NDArray[np.float64], float]:
    """How far apart elements are that are finite in both (0 elsewhere), and the largest of the right ones."""
    a, b = to_float64(left, dtype), to_float64(right, dtype)
    compared = (np.abs(a) < LARGEST_COMPARED) & (np.abs(b) < LARGEST_COMPARED)
    with np.errstate(invalid="ignore"):
        return np.where(compared, np.abs(a - b), 0.0), float(np.abs(np.where(compared, b, 0.0)).max(initial=0.0))


def _certain(hardware: Array, expected: Array, others: Sequence[Array], dtype: str) -> npt.NDArray[np.bool_]:
    certain = np.all([other == expected for other in others], axis=0)
    wrong: npt.NDArray[np.bool_] = certain & (hardware != expected)
    return wrong


def _too_far(hardware: Array, expected: Array, others: Sequence[Array], dtype: str) -> npt.NDArray[np.bool_]:
    distance, largest = _distance(hardware, expected, dtype)
    spread = max(float(_distance(other, expected, dtype)[0].max(initial=0.0)) for other in others)
    form = number_type(dtype).format
    assert form is not None
    scale = max(spread, 2.0 ** (1 - form.significand_bits) * largest, SMALLEST_NORMAL)
    return distance > FACTOR * scale

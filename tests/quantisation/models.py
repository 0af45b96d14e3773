"""Models of quantised tensors, written as `convert_pt2e` writes them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.ao.quantization.fx._decomposed  # registers the operations
from torch import Tensor, nn
from torch.nn import functional

import torch2hw
from torch2hw.analysis.stored_arrays import Array, from_torch
from torch2hw.compiler.compiled import Compiled
from torch2hw.dialects.loops import Operation
from torch2hw.dialects.number_types import find_number_type
from torch2hw.sim.check import references
from torch2hw.sim.quantised import Steps, output_steps, steps_apart

ops = torch.ops.quantized_decomposed
RANGES = {torch.int8: (-128, 127), torch.uint8: (0, 255)}


@dataclass(frozen=True)
class Codes:
    """How a tensor is quantised."""

    scale: float
    zero: int = 0
    dtype: torch.dtype = torch.int8

    def quantise(self, x: Tensor) -> Tensor:
        return ops.quantize_per_tensor(x, self.scale, self.zero, *RANGES[self.dtype], self.dtype)

    def numbers(self, q: Tensor) -> Tensor:
        return ops.dequantize_per_tensor(q, self.scale, self.zero, *RANGES[self.dtype], self.dtype)

    def __call__(self, x: Tensor) -> Tensor:
        return self.numbers(self.quantise(x))


class Weights(nn.Module):
    """Constant codes of dimension 0's channels, or of a whole tensor, with what they stand for."""

    def __init__(self, *shape: int, channels: bool = True, zero: int = 0, dtype: torch.dtype = torch.int8) -> None:
        super().__init__()
        low, high = RANGES[dtype]
        self.register_buffer("codes", torch.randint(max(low, -127), high + 1, shape).to(dtype))
        count = shape[0] if channels else 1
        self.register_buffer("scales", (torch.rand(count) + 0.5) / (127 * math.sqrt(math.prod(shape[1:]))))
        self.register_buffer("zeros", torch.full((count,), zero))
        self.channels, self.dtype = channels, dtype
        self.scale, self.zero = float(self.scales[0]), zero

    def forward(self) -> Tensor:
        low, high = RANGES[self.dtype]
        if self.channels:
            return ops.dequantize_per_channel(self.codes, self.scales, self.zeros, 0, low, high, self.dtype)  # type: ignore[no-any-return]
        scale, zero = self.scale, self.zero
        return ops.dequantize_per_tensor(self.codes, scale, zero, low, high, self.dtype)  # type: ignore[no-any-return]


class Layer(nn.Module):
    """codes → layer → activation → codes; `function(x, weights, bias)` is the layer."""

    def __init__(
        self,
        function: Callable[[Tensor, Tensor, Tensor], Tensor],
        weights: Weights,
        x: Codes = Codes(1 / 32, -11),
        y: Codes = Codes(1 / 32, 5),
        returns: str = "numbers",
    ) -> None:
        super().__init__()
        self.function, self.weights, self.x, self.y, self.returns = function, weights, x, y, returns
        self.bias = nn.Parameter(torch.randn(weights.codes.shape[0]) / 4)

    def forward(self, x: Tensor) -> Tensor:
        found = self.function(self.x(x), self.weights(), self.bias)
        if self.returns == "floats":
            return found
        codes = self.y.quantise(found)
        return codes if self.returns == "codes" else self.y.numbers(codes)


class Computed(nn.Module):
    """A model of one function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Any:
        return self.function(*inputs)


def compiled(model: nn.Module, *inputs: Tensor, **options: Any) -> Compiled:
    return torch2hw.compile(model, inputs, **options).compiled


def outputs(design: Compiled, *inputs: Tensor) -> list[Array]:
    """What the design's reference computes."""
    return references(design, [[from_torch(x) for x in inputs]])[0]


def operations(design: Compiled) -> set[str]:
    """The names of the reference's operations."""
    return {s.name for kernel in design.reference.kernels for s in kernel.statements() if isinstance(s, Operation)}


def computes_in_floats(design: Compiled) -> bool:
    """Whether an operation of the reference has a float as its result or as an operand."""
    made = (s for kernel in design.reference.kernels for s in kernel.statements() if isinstance(s, Operation))
    found = map(find_number_type, {kind for each in made for kind in (each.type, *each.operand_types)})
    return any(each is not None and each.is_float for each in found)


def distance(model: nn.Module, *inputs: Tensor, **options: Any) -> tuple[Steps, set[str]]:
    """How far the design's codes are from PyTorch's, and its operations."""
    design = compiled(model, *inputs, **options)
    (got,), sizes = outputs(design, *inputs), output_steps(model, inputs)
    assert sizes is not None and sizes[0] is not None
    expected = from_torch(model(*inputs))
    return steps_apart(got, expected, design.imported.outputs[0].dtype, sizes[0]), operations(design)


def two_layers(first: Weights, second: Weights) -> Computed:
    """A layer with ReLU, and another on its codes."""
    y = Codes(1 / 30, 2)

    def network(x: Tensor) -> Tensor:
        hidden = Codes(1 / 40, -20)(functional.relu(functional.linear(Codes(1 / 32, 3)(x), first())))
        return y(functional.linear(hidden, second()))

    return Computed(network)

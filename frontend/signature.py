"""Inputs and outputs of a model, flattened: their names, shapes, stored types, and how to build the structures again.

Inputs are the tensors among `forward`'s arguments, nested ones flattened in order; outputs the tensors among what it
returns. Everything else in them (numbers, None, strings) is a constant of the design, and stays where it is in the
structure. Names are those of contract section 4: the argument's own name (`x`, `state_h`, `xs_0`); for outputs `out`,
`out0` … or dictionary keys. All of them together are made legal and unique.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from torch2hw.dialects.loops import PortCodes
from torch2hw.dialects.names import UniqueNames
from torch2hw.dialects.number_types import number_type, torch_number_type

if TYPE_CHECKING:
    import torch
    from torch import nn


def dtype_name(dtype: torch.dtype) -> str:
    """`float32` of `torch.float32`."""
    return str(dtype).removeprefix("torch.")


def type_name(dtype: torch.dtype) -> str:
    """The number type, or PyTorch's name of a type that hardware cannot hold."""
    kind = torch_number_type(dtype_name(dtype))
    return dtype_name(dtype) if kind is None else kind.name


@dataclass(frozen=True)
class TensorInfo:
    """A tensor at the border of the design. `dtype` names its number type, or is PyTorch's name of a type that hardware
    cannot hold, which `check_tensors` refuses. `codes` is what its integers stand for, if they are codes.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    codes: PortCodes | None = None


@dataclass(frozen=True, eq=False)
class StateInfo(TensorInfo):
    """A tensor that the design keeps from run to run. `label` is the model's name of it (`0.weight`); `first`, of the
    tensor's shape, holds the raw bits of its first values as unsigned integers of the type's width.
    """

    label: str = ""
    first: NDArray[np.generic] = field(default_factory=lambda: np.zeros(0, np.uint32), repr=False)


@dataclass(frozen=True)
class Structure:
    """A nested value with its tensors taken out: `leaves[i]` is True where leaf i is a tensor, else `constants[i]`."""

    spec: Any
    is_tensor: tuple[bool, ...]
    constants: tuple[Any, ...]
    paths: tuple[str, ...]

    @staticmethod
    def of(value: Any) -> tuple[Structure, list[Any]]:
        """The structure of `value`, and its tensors in order."""
        import torch
        from torch.utils import _pytree

        leaves, spec = _pytree.tree_flatten_with_path(value)
        is_tensor = tuple(isinstance(leaf, torch.Tensor) for _, leaf in leaves)
        constants = tuple(None if isinstance(leaf, torch.Tensor) else leaf for _, leaf in leaves)
        paths = tuple("_".join(_step(step) for step in path) for path, _ in leaves)
        return Structure(spec, is_tensor, constants, paths), [
            leaf for _, leaf in leaves if isinstance(leaf, torch.Tensor)
        ]

    def build(self, tensors: Sequence[Any]) -> Any:
        """The nested value with these tensors in it."""
        from torch.utils import _pytree

        rest = iter(tensors)
        pairs = zip(self.is_tensor, self.constants, strict=True)
        leaves = [next(rest) if is_tensor else constant for is_tensor, constant in pairs]
        return _pytree.tree_unflatten(leaves, self.spec)

    def tensor_paths(self) -> list[str]:
        """The path of each tensor, its steps joined by underscores."""
        return [path for path, is_tensor in zip(self.paths, self.is_tensor, strict=True) if is_tensor]


def _step(step: Any) -> str:
    for attribute in ("idx", "key", "name"):
        if hasattr(step, attribute):
            return str(getattr(step, attribute))
    return str(step)


def argument_names(model: nn.Module, arguments: Sequence[Any]) -> list[str]:
    """The name of each positional argument of `forward`."""
    names: list[str] = []
    for parameter in inspect.signature(model.forward).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            break
        if parameter.kind is not parameter.KEYWORD_ONLY:
            names.append(parameter.name)
    return [names[i] if i < len(names) else f"arg_{i}" for i in range(len(arguments))]


def input_names(model: nn.Module, structure: Structure, tensors: Sequence[torch.Tensor]) -> list[str]:
    """The name of each tensor among the arguments; `structure` is that of the tuple of arguments."""
    arguments = argument_names(model, structure.build(tensors))
    steps = [path.partition("_") for path in structure.tensor_paths()]
    return ["_".join(filter(None, [arguments[int(index)], rest])) for index, _, rest in steps]


def input_infos(
    model: nn.Module, structure: Structure, tensors: Sequence[torch.Tensor], names: UniqueNames
) -> list[TensorInfo]:
    """Names and types of the inputs; `structure` is that of the tuple of arguments."""
    pairs = zip(input_names(model, structure, tensors), tensors, strict=True)
    return [_info(names.take(name), tensor) for name, tensor in pairs]


def output_infos(structure: Structure, tensors: Sequence[torch.Tensor], names: UniqueNames) -> list[TensorInfo]:
    """Names and types of the outputs."""
    infos = []
    for path, tensor in zip(structure.tensor_paths(), tensors, strict=True):
        infos.append(_info(names.take(f"out{path}" if path[:1].isdigit() else path or "out", "out"), tensor))
    return infos


def state_infos(
    labels: Sequence[str], infos: Sequence[TensorInfo], tensors: Sequence[torch.Tensor]
) -> tuple[StateInfo, ...]:
    """The states of these labels, which these arguments stand for and whose first values these tensors are."""
    from torch2hw.frontend.weights import bits_of

    made = []
    for label, info, tensor in zip(labels, infos, tensors, strict=True):
        bits = bits_of(tensor).astype(number_type(info.dtype).patterns).reshape(info.shape)
        made.append(StateInfo(info.name, info.shape, info.dtype, label=label, first=bits))
    return tuple(made)


def _info(name: str, tensor: torch.Tensor) -> TensorInfo:
    return TensorInfo(name, tuple(tensor.shape), type_name(tensor.dtype))

"""`--dtype bf16` and `f16`: a float32 model whose inputs, outputs and weights are numbers of a narrower format.

The model computes in float32, from inputs and weights rounded to the format; its outputs are rounded to it. Conversions
stand around `forward`, as hooks of a copy of the model, so that PyTorch, torch.export and float64 all see the same
computation. Tensors of other types stay as they are: those of a model that is in the format already, and integers.

Refuses: a weight beyond the format's range (`number-range`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torch2hw.dialects.number_types import number_type
from torch2hw.frontend.quiet import copied
from torch2hw.frontend.refusals import NumberRange
from torch2hw.tools.errors import Torch2HWError, raise_all

if TYPE_CHECKING:
    import torch

    from torch2hw.frontend.load_model import LoadedModel


def in_format(loaded: LoadedModel, dtype: str) -> LoadedModel:
    """The model with inputs, outputs and weights of float32 in format `dtype`; `loaded` itself, where that is f32."""
    if dtype == "f32":
        return loaded
    narrow = torch_format(dtype)
    raise_all(list(_beyond(loaded, dtype, narrow)))
    model = copied(loaded.model)
    _round_weights(model, narrow)
    model.register_forward_pre_hook(lambda _, given: _converted(given, _widening(narrow)))
    model.register_forward_hook(lambda _, given, results: _converted(results, _narrowing(narrow)))
    return replace(loaded, model=model, example_inputs=rounded(loaded.example_inputs, dtype))


def rounded(values: Any, dtype: str) -> Any:
    """Nested tensors, those of float32 rounded to format `dtype` and held in it."""
    return values if dtype == "f32" else _converted(values, _narrowing(torch_format(dtype)))


def torch_format(dtype: str) -> torch.dtype:
    """PyTorch's name of a format."""
    import torch

    found: torch.dtype = getattr(torch, str(number_type(dtype).torch))
    return found


def _beyond(loaded: LoadedModel, dtype: str, narrow: torch.dtype) -> Iterator[Torch2HWError]:
    import torch

    largest = torch.finfo(narrow).max
    for name, tensor in loaded.model.named_parameters():
        finite = tensor.detach().isfinite()
        if tensor.dtype == torch.float32 and bool((finite & ~tensor.detach().to(narrow).isfinite()).any()):
            worst = float(tensor.detach()[finite].abs().max())
            yield NumberRange(
                f"weight {name} holds {worst:g}, which {dtype} cannot",
                location=(loaded.source_file, 0),
                why=f"the largest number of {dtype} is {largest:g}",
                fix="use --dtype bf16, whose range is float32's" if dtype == "f16" else "use --dtype f32",
            )


def _round_weights(model: torch.nn.Module, narrow: torch.dtype) -> None:
    """Parameters and buffers of float32 rounded in place; those beyond the range keep their values (masks)."""
    import torch

    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.dtype == torch.float32:
                short = tensor.to(narrow).to(torch.float32)
                tensor.copy_(torch.where(short.isfinite(), short, tensor))


def _converted(values: Any, change: Callable[[Any], Any]) -> Any:
    from torch.utils._pytree import tree_map

    return tree_map(change, values)


def _widening(narrow: torch.dtype) -> Callable[[Any], Any]:
    import torch

    return lambda leaf: leaf.to(torch.float32) if isinstance(leaf, torch.Tensor) and leaf.dtype == narrow else leaf


def _narrowing(narrow: torch.dtype) -> Callable[[Any], Any]:
    import torch

    return lambda leaf: leaf.to(narrow) if isinstance(leaf, torch.Tensor) and leaf.dtype == torch.float32 else leaf

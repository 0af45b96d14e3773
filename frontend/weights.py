"""The tensors that a model holds, kept beside its MLIR text: the text refers to them by name.

Before:  %0 = torch.vtensor.literal(dense_resource<torch_tensor_4x8> : tensor<4x8xf32>), and in an appendix its bytes
After:   %0 = torch.vtensor.literal(dense_resource<tensor0> : tensor<4x8xf32>), and an array `tensor0`

why: torch-mlir would make a Python float of every element, and MLIR would print and parse two hexadecimal digits for
    every byte, at each step of the front end. None of these steps looks into a resource.
leaves: tensors of one element in the text, where passes fold them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch_mlir import ir
from torch_mlir.extras.fx_importer import FxImporterHooks, create_mlir_tensor_type

Weights = Mapping[str, NDArray[np.generic]]
"""One-dimensional arrays of raw bits, as unsigned integers of the type's width, by name."""

_ALIGNMENT = "04000000"  # MLIR puts it before the bytes of a resource: 4, in four bytes


class WeightsByName(FxImporterHooks):  # type: ignore[misc]
    """What torch-mlir's importer asks at each tensor. A tensor that it meets twice has one name, so that its copies are
    merged.
    """

    def __init__(self) -> None:
        self.attributes: dict[int, ir.Attribute] = {}  # by the tensor's id
        self.tensors: list[torch.Tensor] = []  # held, so that no other one gets the same id

    def resolve_literal(self, gni: Any, literal: Any, info: Any) -> ir.Value | None:
        """The value of a literal; None where the importer is to print it."""
        if not isinstance(literal, torch.Tensor) or literal.numel() == 1:
            return None
        if id(literal) not in self.attributes:  # parsed twice, it would have two names
            text = f"dense_resource<tensor{len(self.tensors)}> : {create_mlir_tensor_type(literal)}"
            self.attributes[id(literal)] = ir.Attribute.parse(text)
            self.tensors.append(literal)
        made = ir.Operation.create(
            "torch.vtensor.literal",
            results=[gni._cc.tensor_to_vtensor_type(literal)],
            attributes={"value": self.attributes[id(literal)]},
        )
        return made.result

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Copies of all tensors met."""
        return {f"tensor{number}": bits_of(tensor) for number, tensor in enumerate(self.tensors)}


def bits_of(tensor: torch.Tensor) -> NDArray[np.generic]:
    """The raw bits of the elements in row-major order, one-dimensional; a copy."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().copy().view(f"u{flat.element_size()}")


def with_weights(text: str, weights: Weights) -> str:
    """MLIR text with an appendix that holds the bytes of the resources it refers to."""
    used = [name for name in dict.fromkeys(re.findall(r"dense_resource<(\w+)>", text)) if name in weights]
    if not used:
        return text
    entries = ",\n".join(f'      {name}: "0x{_ALIGNMENT}{weights[name].tobytes().hex().upper()}"' for name in used)
    return f"{text}\n{{-#\n  dialect_resources: {{\n    builtin: {{\n{entries}\n    }}\n  }}\n#-}}\n"

"""onnxruntime, with its own optimisations off: what results of an ONNX file are compared with.

Refuses: `model-file`, a file or inputs on which it fails.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from torch2hw.frontend.refusals import ModelFileError

if TYPE_CHECKING:
    from onnx import ModelProto


class OnnxRuntime(nn.Module):
    """What onnxruntime computes, as a function of the inputs in order; outputs by their legal names. `shown` is what
    messages call the file."""

    name = "onnxruntime"

    def __init__(self, serialised: bytes, inputs: Sequence[str], outputs: Sequence[str], shown: str) -> None:
        super().__init__()
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4
        self.session = onnxruntime.InferenceSession(serialised, options, providers=["CPUExecutionProvider"])
        self.inputs, self.outputs, self.shown = tuple(inputs), tuple(outputs), shown

    def forward(self, *tensors: torch.Tensor) -> dict[str, torch.Tensor]:
        """The outputs. Raises ModelFileError where onnxruntime fails."""
        given = {name: tensor.detach().numpy() for name, tensor in zip(self.inputs, tensors, strict=True)}
        try:
            found = self.session.run(None, given)
        except Exception as error:  # noqa: BLE001 - onnxruntime has no common base of its exceptions
            raise _failure(str(error), self.shown) from None
        return dict(zip(self.outputs, map(torch.as_tensor, found), strict=True))


def _failure(text: str, shown: str) -> ModelFileError:
    """The refusal, from what onnxruntime says: `[ONNXRuntimeError] : 1 : FAIL : … while running Gather node.
    Name:'rows' Status Message: …`."""
    node = re.search(r"while running (\w+) node\. Name:'(.*?)'", text)
    name = f"'{node.group(2)}' " if node is not None and node.group(2) else ""
    at = f" at node {name}({node.group(1)})" if node is not None else ""
    lines = text.rpartition("Status Message: ")[2].strip().splitlines()
    return ModelFileError(
        f"onnxruntime fails{at}",
        location=(shown, 0),
        why=lines[0] if lines else None,
        fix="results are compared with onnxruntime's: make the file and its inputs run there",
    )


def onnxruntime_of(
    models: Sequence[ModelProto], inputs: Sequence[str], outputs: Sequence[str], shown: str
) -> OnnxRuntime | None:
    """onnxruntime on the first of these models that it takes: it has lost operators of the oldest versions."""
    for model in models:
        with contextlib.suppress(Exception):
            return OnnxRuntime(model.SerializeToString(), inputs, outputs, shown)
    return None

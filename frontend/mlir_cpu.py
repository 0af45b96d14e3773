"""What an MLIR program computes on the CPU, by upstream's own passes and its JIT: what designs of `.mlir` files are
compared with.

Tensors are bufferised and linalg becomes loops; nothing is reordered, and no pass of ours takes part. Each call
compiles and runs in a child process: an index out of range ends that, and not torch2hw.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from torch2hw.tools.errors import InternalError
from torch2hw.tools.isolate import run_native
from torch2hw.tools.mlir_jit import ROUND_TO_BF16, TO_LLVM, descriptor

TO_LOOPS = (
    "builtin.module(one-shot-bufferize{bufferize-function-boundaries "
    "function-boundary-type-conversion=identity-layout-map},"
    "buffer-results-to-out-params{modify-public-functions=true},"
    "func.func(convert-linalg-to-loops,refback-munge-memref-copy,convert-linalg-to-loops))"
)
Kind = tuple[torch.dtype, tuple[int, ...]]


class MlirCpu(nn.Module):
    """The function `main` of `text`: tensors or memrefs in, `outputs` (their types and shapes) out.

    `order` are the positions of inputs, then of outputs, among the arguments that it has on memrefs.
    """

    name = "mlir-cpu"

    def __init__(self, text: str, outputs: Sequence[Kind], order: Sequence[int] | None = None) -> None:
        super().__init__()
        self.text, self.outputs, self.order = text, tuple(outputs), order

    def forward(self, *args: torch.Tensor) -> tuple[torch.Tensor, ...] | torch.Tensor:
        """The results; RuntimeError where the program ends the process."""
        given = [each.detach().contiguous() for each in args]
        try:
            results = run_native(_run, self.text, given, self.outputs, self.order)
        except InternalError as error:
            raise RuntimeError(f"the program cannot run on the CPU: {error.what}") from None
        return tuple(results) if len(results) != 1 else results[0]


def _run(
    text: str, given: Sequence[torch.Tensor], outputs: Sequence[Kind], order: Sequence[int] | None
) -> list[torch.Tensor]:
    from torch_mlir import ir
    from torch_mlir.execution_engine import ExecutionEngine
    from torch_mlir.passmanager import PassManager

    module = ir.Module.parse(text, ir.Context())
    with module.context:
        for operation in module.body.operations:
            if operation.operation.name == "func.func" and operation.name.value == "main":
                operation.attributes["llvm.emit_c_interface"] = ir.UnitAttr.get()
        PassManager.parse(TO_LOOPS).run(module.operation)
        if "bf16" in text:
            rounding = next(iter(ir.Module.parse(ROUND_TO_BF16).body.operations))
            module.body.append(rounding.operation.clone())
        PassManager.parse(TO_LLVM).run(module.operation)
    made = [torch.zeros(shape, dtype=kind) for kind, shape in outputs]
    tensors = [*(each.clone() for each in given), *made]
    places = range(len(tensors)) if order is None else order
    arguments = [tensor for _, tensor in sorted(zip(places, tensors, strict=True), key=lambda pair: pair[0])]
    descriptors = [descriptor(each.data_ptr(), each.shape, each.stride()) for each in arguments]
    ExecutionEngine(module, opt_level=2).invoke("main", *descriptors)
    return made

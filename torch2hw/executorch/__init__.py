"""ExecuTorch: parts of a program on designs, in its own file format.

    from torch2hw.executorch import Torch2HwPartitioner, load

    lowered = to_edge_transform_and_lower(torch.export.export(model, inputs), partitioner=[Torch2HwPartitioner()])
    Path("model.pte").write_bytes(lowered.to_executorch().buffer)
    load("model.pte").forward(inputs)

The `.pte` holds manifest and SystemVerilog of each part. `load` registers with ExecuTorch's runtime a backend in C++
that builds them with Verilator, once, and runs them.
"""

from torch2hw.executorch.partition import Torch2HwPartitioner
from torch2hw.executorch.preprocess import Torch2HwBackend
from torch2hw.executorch.runtime import load, register

__all__ = ["Torch2HwBackend", "Torch2HwPartitioner", "load", "register"]

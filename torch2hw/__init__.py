"""torch2hw: a PyTorch model becomes verified, statically scheduled SystemVerilog.

design = torch2hw.compile(model, (x,), partition=4)
design.write("out.sv")
result = design.simulate(x)
"""

from __future__ import annotations

from torch2hw.compiler.version import __version__
from torch2hw.design import Design, compile
from torch2hw.tools.errors import CheckError, InternalError, SeveralErrors, Torch2HWError, UsageError

__all__ = [
    "CheckError",
    "Design",
    "InternalError",
    "SeveralErrors",
    "Torch2HWError",
    "UsageError",
    "__version__",
    "compile",
]

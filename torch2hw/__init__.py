"""torch2hw: a PyTorch model becomes verified, statically scheduled SystemVerilog.

design = torch2hw.compile(model, (x,), partition=4)
design.write("out.sv")
result = design.simulate(x)

Names are imported when they are first asked for: the command line answers before the compiler is there.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_HOMES = {"__version__": "compiler.version", "Design": "design", "compile": "design"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'tools.errors')}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

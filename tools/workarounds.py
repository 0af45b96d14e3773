"""Work-arounds for faults of the packages that torch2hw uses. No other file touches the internals of a package.

| function of ours        | what is wrong without it (pycde 0.12.1, torch 2.13.0)
|-------------------------|------------------------------------------------------
| `forget_llvm_threads`   | lower-seq-to-sv waits for ever in a forked child, where LLVM's thread pool has no threads
| `spare_module_searches` | the bindings look for a dialect's module on disk for every operation: 40,000 times
| `take_any_attribute_name` | torch.fx writes the name of an attribute into Python code as it is: `self.class`, `"a"b"`
"""

from __future__ import annotations

import ctypes
import keyword
import sys
from pathlib import Path
from types import ModuleType

# Dialects without generated Python classes.
_WITHOUT_CLASSES = ("pycde.circt.dialects.builtin", "pycde.circt.dialects.calyx")


def forget_llvm_threads() -> None:
    """Have CIRCT compute without LLVM's global thread pool; for a child that was forked from a process that used it.

    The first field of `llvm::parallel::strategy` is the number of threads.
    """
    circt = sys.modules.get("pycde.circt")
    if circt is not None and circt.__file__ is not None:
        library = ctypes.CDLL(str(Path(circt.__file__).parent / "_mlir_libs" / "libPyCDE_CIRCTPythonCAPI.so"))
        ctypes.c_uint.in_dll(library, "_ZN4llvm8parallel8strategyE").value = 1


def spare_module_searches() -> None:
    """Put empty modules where the bindings look for those of dialects that have none."""
    for name in _WITHOUT_CLASSES:
        sys.modules.setdefault(name, ModuleType(name))


def take_any_attribute_name() -> None:
    """Have torch.fx write every attribute's name so that Python reads it; others than it reads now are as they were."""
    from torch.fx import graph

    graph._format_target = _attribute


def _attribute(base: str, target: str) -> str:
    for name in target.split("."):
        plain = name.isidentifier() and not keyword.iskeyword(name)
        base = f"{base}.{name}" if plain else f"getattr({base}, {name!r})"
    return base

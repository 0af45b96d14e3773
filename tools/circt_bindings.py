"""CIRCT's Python bindings, as pycde installs them. All imports of them go through this file.

On import, pycde enters an MLIR context in the importing thread and drops it, without the interpreter's lock, when that
thread ends: a process that imports pycde in a thread would abort. So that context is left at once, and every user
enters its own. If the user's program imported pycde before, its context is left alone.
"""

from __future__ import annotations

import atexit
import sys

_IMPORTED_BEFORE = "pycde" in sys.modules

import pycde  # noqa: E402
from pycde.circt import export_verilog, ir, passmanager, register_dialects  # noqa: E402

__all__ = ["export_verilog", "ir", "passmanager", "register_dialects"]

if not _IMPORTED_BEFORE:
    pycde.DefaultLocation.__exit__(None, None, None)
    pycde.DefaultContext.__exit__(None, None, None)
    for leave in (pycde.__exit_loc, pycde.__exit_ctxt):
        atexit.unregister(leave)

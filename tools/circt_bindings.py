"""CIRCT's Python bindings, as pycde brings them: every import of them goes through here.

pycde enters a context of MLIR's when it is imported, for the thread that imports it, and drops it when that thread
ends, without the interpreter's lock: a process that imports pycde in a thread aborts. So it is left at once; whoever
needs a context enters their own. A pycde that the user imported before stays as it is.
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

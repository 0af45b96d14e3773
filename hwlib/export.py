"""A unit's `hw.module` text as SystemVerilog, for the library's own tests and measurements."""

from __future__ import annotations

import io
from collections.abc import Mapping

from .contents import Contents, fill_verilog

PASSES = (
    "lower-seq-to-sv{disable-mem-randomization=true disable-reg-randomization=true}",
    "canonicalize",
    "cse",
    "hw.module(prettify-verilog)",
)


def verilog(text: str, table: Mapping[str, Contents] | None = None) -> str:
    """SystemVerilog of modules, with what their memories hold. Imports CIRCT, which takes a second the first time."""
    from torch2hw.tools.circt_bindings import export_verilog, ir, passmanager, register_dialects

    context = ir.Context()
    register_dialects(context)
    with context, ir.Location.unknown():
        module = ir.Module.parse(text)
        passmanager.PassManager.parse(f"builtin.module({','.join(PASSES)})").run(module.operation)
        out = io.StringIO()
        export_verilog(module, out)
    return fill_verilog(out.getvalue(), table or {})

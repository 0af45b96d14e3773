"""CIRCT's Calyx dialect: a context in which its text parses, and a verifier.

No binding loads the dialect by name. A pass that depends on it does, when it runs; so each context runs such passes
once on small modules.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from torch2hw.tools.circt_bindings import ir, passmanager, register_dialects
from torch2hw.tools.workarounds import spare_module_searches

# The last pass refuses an empty function, after it has loaded calyx.
_LOADERS = ("builtin.module(flatten-memref)", "builtin.module(lower-scf-to-calyx{top-level-function=main})")


def context() -> Any:
    """A context with hw, comb, seq, sv, scf, memref and calyx loaded."""
    spare_module_searches()
    made = ir.Context()
    register_dialects(made)
    with made, ir.Location.unknown():
        for pipeline in _LOADERS:
            empty = ir.Module.parse("func.func @main() { return }")
            try:
                passmanager.PassManager.parse(pipeline).run(empty.operation)
            except ir.MLIRError:
                continue
    return made


@lru_cache(maxsize=1)
def verified(text: str) -> Any:
    """The module of `text`, kept for whoever reads the same text next: a forked child may be that, because the module's
    context has no threads. Raises pycde.circt.ir.MLIRError if CIRCT's Calyx verifier refuses it."""
    alone = context()
    alone.enable_multithreading(False)
    with alone, ir.Location.unknown():
        return ir.Module.parse(text)

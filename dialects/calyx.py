"""CIRCT's Calyx dialect: a context in which its text parses, a verifier, and the native Calyx text.

No binding loads the dialect by name. A pass that depends on it does, when it runs; so each context runs such passes
once on small modules.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from torch2hw.hwlib.circt_bindings import ir, passmanager, register_dialects

# The last pass refuses an empty function, after it has loaded calyx.
_LOADERS = ("builtin.module(flatten-memref)", "builtin.module(lower-scf-to-calyx{top-level-function=main})")
# What calyx-native runs in place of the native compiler: it keeps the file and fails, which ends the pass.
_KEEP_FILE = '#!/bin/sh\nmv "$1" "${0%/*}/kept.futil"\nexit 1\n'


# Dialects without generated Python classes: the bindings search the disk for these modules at every operation and
# type that # they wrap (40,000 searches for a small design), unless an empty one is there.
_WITHOUT_CLASSES = ("pycde.circt.dialects.builtin", "pycde.circt.dialects.calyx")


def context() -> Any:
    """A context with hw, comb, seq, sv, scf, memref and calyx loaded."""
    for name in _WITHOUT_CLASSES:
        sys.modules.setdefault(name, ModuleType(name))
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


def parse(text: str, inside: Any) -> Any:
    """The module of `text`, verified. Raises pycde.circt.ir.MLIRError with CIRCT's own message."""
    with inside, ir.Location.unknown():
        return ir.Module.parse(text)


def verify(text: str) -> None:
    """Raises pycde.circt.ir.MLIRError if CIRCT's Calyx verifier refuses `text`."""
    parse(text, context())


def futil(text: str) -> str:
    """The native Calyx text of a Calyx-dialect module, by CIRCT's own exporter.

    The exporter is only reachable through calyx-native, which gives a temporary file to a program named `calyx` on
    PATH. Ours keeps the file. PATH and TMPDIR of this process are changed meanwhile: not for use beside other threads
    that read them.
    """
    module = parse(text, context())
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "calyx")
        program.write_text(_KEEP_FILE)
        program.chmod(0o700)
        before = {name: os.environ.get(name) for name in ("PATH", "TMPDIR")}
        os.environ["PATH"] = f"{folder}{os.pathsep}{before['PATH'] or os.defpath}"
        os.environ["TMPDIR"] = folder
        try:
            with module.context:
                passmanager.PassManager.parse("builtin.module(calyx-native)").run(module.operation)
        except ir.MLIRError as refused:
            kept = Path(folder, "kept.futil")
            if kept.exists():
                return kept.read_text()
            raise refused
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
    raise AssertionError("calyx-native did not run the program named calyx")

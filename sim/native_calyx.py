"""A design as the native Calyx compiler builds it, in simulation."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from torch2hw.analysis.stored_arrays import Array
from torch2hw.compiler.compiled import Compiled
from torch2hw.compiler.native_calyx import native_texts
from torch2hw.sim.check import references
from torch2hw.sim.manifest import Manifest
from torch2hw.sim.simulation import Conditions, simulate
from torch2hw.tools import native_calyx
from torch2hw.tools.errors import CheckError

Change = Callable[[dict[str, str]], dict[str, str]]


def native_cycles(compiled: Compiled, sets: Sequence[Sequence[Array]], change: Change | None = None) -> list[int]:
    """The cycles of a run on each set of stored inputs. CheckError where a result is not the reference's in every bit;
    InternalError where the native compiler refuses the text. `change` alters the files before it reads them."""
    name = f"{compiled.top}.futil"
    texts = native_texts(compiled, name)
    with tempfile.TemporaryDirectory(prefix="torch2hw-") as folder:
        for file, text in (change(texts.files) if change else texts.files).items():
            Path(folder, file).parent.mkdir(exist_ok=True)
            Path(folder, file).write_text(text)
        Path(folder, f"{compiled.top}.v").write_text(native_calyx.verilog(Path(folder, name)))
        manifest = Manifest.from_json(compiled.manifest([f"{compiled.top}.v"], texts.memory_files))
        sequential = compiled.options.schedule == "sequential"
        if sequential:  # the compiler's own steps take other cycles
            manifest = replace(manifest, latency_cycles=None)
        # Dynamic control ends where go falls before done; static control is started again where go is high with done.
        found = simulate(Path(folder), manifest, sets, Conditions(hold_go=sequential))
    for run, (outputs, expected) in enumerate(zip(found.outputs, references(compiled, sets), strict=True)):
        for port, output, wanted in zip(manifest.observed, outputs, expected, strict=True):
            wrong = np.flatnonzero(np.ravel(output != wanted))
            if len(wrong):
                raise CheckError(f"native Calyx: {port.name} is wrong at {len(wrong)} places in run {run}")
    return [cycles for of_set in found.cycles for cycles in of_set]

"""Finds the first kernel that stores a wrong value: compares its stores in simulation with the loop program."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from torch2hw.analysis.stored_arrays import Array, from_words
from torch2hw.compiler.compiled import Compiled
from torch2hw.compiler.design_files import write_design
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.program import Program
from torch2hw.sim.banked import unpack
from torch2hw.sim.compare import first_mismatch
from torch2hw.sim.manifest import Manifest
from torch2hw.sim.monitors import Seen, Watched, monitor_text, watched
from torch2hw.sim.pass_checker import written
from torch2hw.sim.simulation import simulate
from torch2hw.tools.errors import CheckError


def wrong_kernel(compiled: Compiled, inputs: Sequence[Array]) -> str | None:
    """Runs the design once more, every store watched; None where no kernel is wrong on these inputs alone."""
    circuits = watched(compiled.at("calyx"))
    with tempfile.TemporaryDirectory(prefix="torch2hw-") as folder:
        manifest = Manifest.from_json(write_design(compiled, Path(folder) / f"{compiled.top}.sv"))
        try:
            seen = simulate(Path(folder), manifest, [inputs], monitors=monitor_text(circuits, True)).seen
        except CheckError:
            return None
    return first_wrong_store(compiled.at("scheduled"), circuits, seen, inputs, compiled.options.subnormals)


def first_wrong_store(
    program: Program, circuits: Sequence[Watched], seen: Seen, inputs: Sequence[Array], subnormals: str
) -> str | None:
    """The kernel, in program order, after which a buffer does not hold what the loop program stored in it."""
    banks: dict[tuple[str, int], np.ndarray[Any, np.dtype[np.uint64]]] = {}
    expected = {(kernel.name, buffer.name): array for kernel, buffer, array in written(program, inputs, subnormals)}
    for number, each in enumerate(circuits):
        for buffer, bank in each.stores:
            banks.setdefault((buffer.name, bank), np.zeros(buffer.bank_elements, np.uint64))
        for event in seen.stores:
            if event.number == number:
                buffer, bank = each.stores[event.port]
                if event.address < buffer.bank_elements:
                    banks[buffer.name, bank][event.address] = event.data
        for buffer in dict.fromkeys(buffer for buffer, _ in each.stores):
            none = np.zeros(buffer.bank_elements, np.uint64)
            words = np.concatenate([banks.get((buffer.name, bank), none) for bank in range(buffer.banks)])
            mask = np.uint64((1 << number_type(buffer.dtype).bits) - 1)
            stored = from_words(words & mask, buffer.dtype, (words.size,))
            got = unpack(stored, buffer.shape, buffer.bank_factors)
            found = first_mismatch(buffer.name, buffer.dtype, expected[each.kernel.name, buffer.name], got)
            if found is not None:
                place = "" if each.kernel.source is None else f" ({each.kernel.source})"
                return f"kernel {each.kernel.name}{place} is the first at fault: {found}"
    return None

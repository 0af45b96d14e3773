"""Inputs from a file: NumPy's .npz, an array for each input by its name in the manifest."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from torch2hw.dialects.number_types import number_type
from torch2hw.frontend.torch_to_linalg import TorchProgram
from torch2hw.sim.execution import arguments
from torch2hw.tools.errors import UsageError, reason


def read_inputs(path: Path, imported: TorchProgram, ports: Mapping[str, str]) -> Any:
    """The arguments of `forward` in `path`; `ports` are the names of inputs that the model's file calls otherwise, both
    of which may stand there. Raises UsageError where names, shapes or dtypes are not the design's."""
    try:
        held = np.load(path, allow_pickle=False)
        arrays = None
        if isinstance(held, np.lib.npyio.NpzFile):
            with held:
                arrays = {ports.get(name, name): array for name, array in held.items()}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        what = "it is not an archive of arrays" if "pickle" in str(error) else reason(error)
        raise UsageError(f"--inputs {path}: cannot be read: {what}", fix="write it with numpy.savez") from None
    wanted = ", ".join(info.name for info in imported.inputs)
    names = {info.name for info in imported.inputs}
    if arrays is None or set(arrays) != names:
        names_held = "one array without a name" if arrays is None else ", ".join(sorted(arrays)) or "nothing"
        raise UsageError(
            f"--inputs {path}: holds {names_held}, the inputs are {wanted}",
            fix=f"numpy.savez({path.name!r}, {', '.join(f'{info.name}=…' for info in imported.inputs)})",
        )
    given = []
    for info in imported.inputs:
        array, stored = arrays[info.name], number_type(info.dtype).stored
        if array.shape != info.shape:
            raise UsageError(
                f"--inputs {path}: {info.name} has shape {array.shape}, the design takes {info.shape}",
                fix="give an array of that shape, or compile the model with other example inputs",
            )
        if array.dtype != stored:
            fix = f"{info.name}.astype(numpy.{stored})"
            raise UsageError(f"--inputs {path}: {info.name} is {array.dtype}, the design takes {stored}", fix=fix)
        given.append(np.ascontiguousarray(array))
    return arguments(imported, given)

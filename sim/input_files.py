"""Inputs from a file: NumPy's .npz, an array for each input by its name in the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from torch2hw.dialects.number_types import number_type
from torch2hw.frontend.input_sets import read_arrays, unlike
from torch2hw.frontend.torch_to_linalg import TorchProgram
from torch2hw.sim.execution import arguments, first_values
from torch2hw.tools.errors import UsageError


def read_inputs(path: Path, imported: TorchProgram, ports: Mapping[str, str]) -> Any:
    """The arguments of `forward` in `path`; `ports` are the names of inputs that the model's file calls otherwise, both
    of which may stand there. Raises UsageError where names, shapes or dtypes are not the design's."""
    arrays, names = read_arrays("--inputs", path, ports), [info.name for info in imported.inputs]
    if arrays is None or set(arrays) != set(names):
        raise unlike("--inputs", path, arrays, names)
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
    return arguments(imported, [*given, *first_values(imported)])

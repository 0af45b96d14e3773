"""Many sets of inputs from one file: for calibration, and to simulate a design over a data set."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.ao.quantization.fx._decomposed  # quantized_decomposed
from numpy.typing import NDArray

from torch2hw.dialects.loops import PortCodes
from torch2hw.frontend.signature import Structure, input_names
from torch2hw.tools.errors import UsageError, reason

if TYPE_CHECKING:
    from torch2hw.frontend.load_model import LoadedModel


def read_arrays(option: str, path: Path, ports: Mapping[str, str]) -> dict[str, NDArray[Any]] | None:
    """The arrays of an archive by the names of ports, of which `ports` gives those that the model's file calls
    otherwise; None where the file is one array without a name. `option` is what the file was given with, for messages.

    Raises UsageError where the file cannot be read.
    """
    try:
        held = np.load(path, allow_pickle=False)
        if not isinstance(held, np.lib.npyio.NpzFile):
            return None
        with held:
            return {ports.get(name, name): array for name, array in held.items()}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        what = "it is not an archive of arrays" if "pickle" in str(error) else reason(error)
        raise UsageError(f"{option} {path}: cannot be read: {what}", fix="write it with numpy.savez") from None


def unlike(option: str, path: Path, held: Iterable[str] | None, names: Sequence[str]) -> UsageError:
    """The refusal of a file whose arrays (None: one without a name) are not the inputs."""
    found = "one array without a name" if held is None else ", ".join(sorted(held)) or "nothing"
    return UsageError(
        f"{option} {path}: holds {found}, the inputs are {', '.join(names)}",
        fix=f"numpy.savez({path.name!r}, {', '.join(f'{name}=…' for name in names)})",
    )


def read_sets(
    option: str,
    path: Path,
    loaded: LoadedModel,
    beside: str | None = None,
    codes: Sequence[PortCodes | None] = (),
) -> tuple[list[list[torch.Tensor]], Any]:
    """Sets of inputs from an archive of arrays, named like the arguments: each an input, or many of them, one after the
    other or along a first dimension of its own. The array called `beside` is no input; it is given back.

    `option` is what the file was given with, for messages. Floats for an input of `codes` are quantised. Raises
    UsageError where the file has other arrays.
    """
    structure, tensors = Structure.of(loaded.example_inputs)
    count = len(tensors) - len(loaded.states)
    names, tensors = input_names(loaded.model, structure, tensors)[:count], tensors[:count]
    arrays = read_arrays(option, path, loaded.ports)
    if arrays is None:
        raise unlike(option, path, None, names)
    if beside is not None and beside not in arrays:
        raise UsageError(f"{option} {path}: holds no {beside}", fix=f"it holds {', '.join(sorted(arrays))}")
    extra = None if beside is None else arrays.pop(beside)
    if set(arrays) != set(names):
        raise unlike(option, path, arrays, names)
    columns = []
    for name, tensor, port in zip(names, tensors, codes or [None] * len(names), strict=True):
        shape, array = tuple(tensor.shape), _in_type(torch.from_numpy(arrays[name]), tensor.dtype, port)
        if array.shape[1:] == shape:
            columns.append(list(array))
        elif shape and array.shape[1:] == shape[1:] and array.shape[0] >= shape[0]:
            columns.append([array[k : k + shape[0]] for k in range(0, array.shape[0] - shape[0] + 1, shape[0])])
        else:
            raise UsageError(
                f"{option} {path}: {name} has shape {tuple(array.shape)}, the model takes {shape}",
                fix="give arrays of that shape, with as many rows as you like, or with another dimension in front",
            )
    counts = {len(column) for column in columns}
    if len(counts) > 1 or not columns:
        raise UsageError(
            f"{option} {path}: as many of each input are needed, there are {sorted(counts)}",
            fix="give arrays of as many rows for each input",
        )
    return [list(each) for each in zip(*columns, strict=True)], extra


def _in_type(array: torch.Tensor, dtype: torch.dtype, codes: PortCodes | None) -> torch.Tensor:
    if codes is None or not array.is_floating_point():
        return array.to(dtype)
    limits, quantized = torch.iinfo(dtype), torch.ops.quantized_decomposed
    scale, zero = codes.scale, codes.zero_point
    found: torch.Tensor = quantized.quantize_per_tensor(array.float(), scale, zero, limits.min, limits.max, dtype)
    return found

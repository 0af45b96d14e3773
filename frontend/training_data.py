"""The batches of a training run, from a file of arrays: rows x and the targets y that belong to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from torch2hw.frontend.input_sets import read_arrays
from torch2hw.frontend.signature import dtype_name
from torch2hw.frontend.training_step import TARGET, TrainingStep
from torch2hw.tools.errors import UsageError, raise_all

ONLY_INPUT = "x"
"""What the array of a model's only input may be called, whatever the model calls it."""


def read_batches(path: Path, step: TrainingStep, steps: int) -> list[list[torch.Tensor]]:
    """The tensors of each step: inputs, then targets. Step k has the next rows of the file, as many as the example
    inputs have; after the last row comes the first. Raises UsageError where arrays are missing, or of other shapes or
    types than the step's."""
    arrays = read_arrays("--data", path, {ONLY_INPUT: step.inputs[0]} if len(step.inputs) == 1 else {})
    names = [*step.inputs, TARGET]
    shown = [ONLY_INPUT if len(step.inputs) == 1 else name for name in step.inputs] + [TARGET]
    missing = [known for name, known in zip(names, shown, strict=True) if name not in (arrays or {})]
    if arrays is None or missing:
        in_file = dict(zip(names, shown, strict=True))
        held = "one array without a name"
        if arrays is not None:
            held = ", ".join(sorted(in_file.get(name, name) for name in arrays)) or "nothing"
        raise UsageError(
            f"--data {path}: no array {' and no array '.join(missing)}",
            why=f"it holds {held}",
            fix=f"numpy.savez({path.name!r}, {', '.join(f'{name}=…' for name in shown)})",
        )
    examples = [*_inputs(step), step.target]
    triples = list(zip(names, shown, examples, strict=True))
    raise_all([fault for name, known, example in triples for fault in _faults(path, known, arrays[name], example)])
    rows = {len(arrays[name]) for name in names}
    if len(rows) > 1:
        counts = ", ".join(f"{known} has {len(arrays[name])}" for name, known, _ in triples)
        raise UsageError(
            f"--data {path}: not as many rows in each array", why=counts, fix="give a row of y for each of x"
        )
    if step.loss.classes:
        _check_classes(path, arrays[TARGET], step)
    return [list(_batch(arrays, triples, k)) for k in range(steps)]


def _inputs(step: TrainingStep) -> Sequence[torch.Tensor]:
    found: Sequence[torch.Tensor] = step.loaded.example_inputs[: len(step.inputs)]
    return found


def _batch(
    arrays: Mapping[str, NDArray[Any]], triples: Sequence[tuple[str, str, torch.Tensor]], step: int
) -> Iterator[torch.Tensor]:
    for name, _, example in triples:
        rows = (np.arange(example.shape[0]) + step * example.shape[0]) % len(arrays[name])
        yield torch.from_numpy(np.ascontiguousarray(arrays[name][rows])).to(example.dtype)


def _faults(path: Path, name: str, array: NDArray[Any], example: torch.Tensor) -> Iterator[UsageError]:
    shape = tuple(example.shape)
    if not shape:
        yield UsageError(f"--data {path}: {name} of the model is a scalar", fix="give the model batches of rows")
    elif array.ndim != len(shape) or array.shape[1:] != shape[1:] or not len(array):
        rows = ", ".join(["rows", *map(str, shape[1:])])
        yield UsageError(
            f"--data {path}: {name} has shape {array.shape}, ({rows}{',' if len(shape) == 1 else ''}) is wanted",
            why=f"a step takes {shape[0]} rows of it",
            fix="give an array of that shape",
        )
    kinds = "fiu" if example.is_floating_point() else "iu" if example.dtype != torch.bool else "b"
    if array.dtype.kind not in kinds:
        wanted = dtype_name(example.dtype)
        yield UsageError(
            f"--data {path}: {name} is {array.dtype}, {wanted} is wanted", fix=f"{name}.astype(numpy.{wanted})"
        )


def _check_classes(path: Path, target: NDArray[Any], step: TrainingStep) -> None:
    classes = step.classes
    beyond = target[(target < 0) | (target >= classes)]
    if beyond.size:
        raise UsageError(
            f"--data {path}: y holds the class {beyond.reshape(-1)[0]}",
            why=f"the model's output has {classes} classes, 0 to {classes - 1}",
            fix="number the classes from 0 on",
        )

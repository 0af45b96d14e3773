"""A program that torch.export saved (`.pt2`), as a model.

Its inputs are the program's user inputs, under the names of the arguments of the `forward` that was exported; lines are
those of the files that it was exported from. Sizes of dynamic dimensions come from --input (`graph_inputs`): the
example inputs that the file holds do not fix them.

Refuses: `model-file` (no such program), `usage` (a size that it was not exported for), and what `graph_inputs` does.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch2hw.frontend.graph_inputs import GraphInput, example_values, shapes
from torch2hw.frontend.load_model import LoadedModel, top_name
from torch2hw.frontend.locations import Sources
from torch2hw.frontend.quiet import quiet
from torch2hw.frontend.refusals import ModelFileError
from torch2hw.tools.errors import UsageError, raise_all

if TYPE_CHECKING:
    from torch.export import ExportedProgram


def load_exported(spec: str, given: Sequence[str] = ()) -> LoadedModel:
    """The model of a `.pt2` file."""
    import torch
    import torch.ao.quantization.fx._decomposed  # the operations of programs that PT2E quantised

    try:
        with quiet():
            program = torch.export.load(spec)
    except KeyboardInterrupt:
        raise
    except Exception as error:  # noqa: BLE001 - whatever PyTorch raises of a file
        raise ModelFileError(
            "not a program that torch.export saved",
            location=(spec, 0),
            why=_other(spec) or (str(error).strip() or type(error).__name__).splitlines()[0],
            fix="write it with torch.export.save(torch.export.export(model, inputs), 'model.pt2')",
        ) from None
    path = Path(spec)
    return of_program(program, spec, top_name(path.stem), Sources(path.absolute().parent, path.parent), given)


def _other(spec: str) -> str | None:
    """What a zip file holds that is no program; None for any other file."""
    if not zipfile.is_zipfile(spec):
        return None
    names = {name.partition("/")[2] for name in zipfile.ZipFile(spec).namelist()}
    if "constants.pkl" in names:
        return "it holds a model in TorchScript, which torch.jit.save writes"
    if "data.pkl" in names:
        return "it holds weights or an object, which torch.save writes"
    return None if "archive_format" in names else "it is a zip file of something else"


def of_program(
    program: ExportedProgram, shown: str, top: str, sources: Sources, given: Sequence[str] = ()
) -> LoadedModel:
    """The model of a program; `shown` is what messages call its file."""
    from torch.export.graph_signature import InputKind
    from torch.utils._pytree import tree_unflatten

    nodes = {node.name: node for node in program.graph.nodes}
    user = [spec.arg for spec in program.graph_signature.input_specs if spec.kind == InputKind.USER_INPUT]
    inputs = []
    for argument in user:
        value: Any = nodes[argument.name].meta["val"] if argument.name in nodes else None
        if hasattr(value, "dtype"):
            inputs.append(GraphInput(argument.name, value.dtype, tuple(map(_size, value.shape))))
    sizes = shapes(shown, inputs, given)
    raise_all(list(_beyond(program, shown, inputs, sizes)))
    with quiet():
        model: Any = program.module(check_guards=False)
    values = iter(example_values(model, inputs, sizes))
    names = {each.name for each in inputs}
    leaves = [next(values) if each.name in names else getattr(each, "value", None) for each in user]
    arguments, keywords = tree_unflatten(leaves, program.call_spec.in_spec)
    return LoadedModel(model, (*arguments, *keywords.values()), shown, top, sources, (shown, 0))


def _beyond(
    program: ExportedProgram, shown: str, inputs: Sequence[GraphInput], sizes: Sequence[Sequence[int]]
) -> Iterator[UsageError]:
    """Sizes outside of what the program was exported for (`torch.export.Dim`)."""
    ranges = {str(symbol): found for symbol, found in program.range_constraints.items()}
    for each, shape in zip(inputs, sizes, strict=True):
        for dimension, (name, size) in enumerate(zip(each.shape, shape, strict=True)):
            found = ranges.get(str(name))
            if found is not None and not found.lower <= size <= found.upper:
                end = "and more" if str(found.upper) == "int_oo" else f"to {found.upper}"
                yield UsageError(
                    f"--input {each.name}: its dimension {dimension} cannot be {size}",
                    why=f"{shown} was exported for {found.lower} {end}",
                    fix="give a size in that range, or export the program for a wider one",
                )


def _size(size: Any) -> int | str:
    return size if isinstance(size, int) else str(size)

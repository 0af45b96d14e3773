"""Finds the model and its example inputs in a Python file, or behind `package.module:attribute`.

The first of these that is complete is taken:

1. globals `model` (an `nn.Module`) and `example_inputs` (a tensor, or a tuple of what `forward` takes);
2. functions `get_model()` and `get_sample_input()`;
3. `--model NAME --input f32[1,64]`: NAME is an `nn.Module` class, or a callable without arguments that makes one.

The model of 1 is also taken with the inputs of 2, and the other way round. An explicit `--model` or `--input` overrides
the file. The file is executed, with its folder on the import path and
PyTorch's random generator seeded with 0, so that weights which the file does not seed are the same each time. What the
file prints goes to stderr. The model is put in eval mode.

Refuses: `usage` (no such file, not a Python file, a malformed --input), `model-file` (does not execute), `no-model`,
`ambiguous-model`, `not-a-module`, `example-inputs`.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch2hw.dialects.names import CONTROL_PORTS, KEYWORDS, identifier
from torch2hw.dialects.number_types import ELEMENT_TYPES
from torch2hw.frontend.locations import Sources
from torch2hw.frontend.model_definitions import Definitions
from torch2hw.frontend.model_file import check_exists, execute, user_code
from torch2hw.frontend.quiet import kept_apart
from torch2hw.tools.errors import SeveralErrors, Torch2HWError, UsageError

if TYPE_CHECKING:
    import torch
    from torch import nn

INPUT_DTYPES = {kind.name: kind.torch for kind in ELEMENT_TYPES if kind.torch is not None}
"""The type names of --input, and PyTorch's name for each."""

GRAPH_FILES = (".pt2", ".onnx", ".mlir")
"""The files that hold a graph: of torch.export (`exported_file`), of ONNX (`onnx_file`), of MLIR (`mlir_file`)."""

MAX_INPUT_ELEMENTS = 1 << 28


@dataclass(frozen=True)
class LoadedModel:
    """A model in eval mode and the positional arguments that it is compiled for.

    `source_file` is the file as the user wrote it; `top` a legal name made from its stem; `inputs_place` where the
    example inputs stand; `kept_in_float` the layers that `get_precision_spec()` names. `oracle` computes what results
    are compared with, if that is not PyTorch; `nodes` describe a graph's nodes, whose numbers stand for lines; `ports`
    are the legal names of inputs that the file calls otherwise. `states` are the model's names of its last arguments,
    which the design keeps from run to run; the model returns their new values last. `program` is there where the file
    holds no graph of PyTorch but a program below it; `model` then runs it.
    """

    model: nn.Module
    example_inputs: tuple[Any, ...]
    source_file: str
    top: str
    sources: Sources
    inputs_place: tuple[str, int] | None = None
    kept_in_float: tuple[str, ...] = ()
    oracle: nn.Module | None = None
    nodes: Mapping[int, str] = field(default_factory=dict)
    ports: Mapping[str, str] = field(default_factory=dict)
    states: tuple[str, ...] = ()
    program: Any = None

    @property
    def oracle_name(self) -> str:
        """What results are compared with."""
        return "pytorch" if self.oracle is None else str(self.oracle.name)

    @contextlib.contextmanager
    def naming_nodes(self) -> Iterator[None]:
        """Errors at a node of the file, by number, name the node."""
        try:
            yield
        except Torch2HWError as error:
            for one in error.errors if isinstance(error, SeveralErrors) else (error,):
                file, number = one.location or ("", 0)
                if number in self.nodes and Path(file).name in ("", Path(self.source_file).name):
                    one.what, one.location = f"{self.nodes[number]} {one.what}", (self.source_file, 0)
            raise


def load(spec: str, name: str | None = None, inputs: Sequence[str] = (), function: str | None = None) -> LoadedModel:
    """The model that MODEL, --model, --input and --top-function mean."""
    suffix = check_exists(spec)
    if function is not None and suffix != ".mlir":
        raise UsageError(f"--top-function {function}: {spec} is no .mlir file", fix="leave --top-function out")
    if suffix in GRAPH_FILES:
        return _from_graph(spec, suffix, name, inputs, function)
    import torch

    given_inputs = tuple(_example(text) for text in inputs)
    torch.manual_seed(0)
    with kept_apart():
        module, attribute, sources, shown = execute(spec)
        file = Definitions(module, sources, shown, given_inputs)
        wanted = name or attribute
        with user_code(file.sources, shown):
            model, example_inputs = file.named(wanted) if wanted is not None else file.conventional()
            kept = file.kept_in_float()
    top = top_name(Path(shown).stem)
    return LoadedModel(in_eval_mode(model), example_inputs, shown, top, sources, file.inputs_place(), kept)


def _from_graph(spec: str, suffix: str, name: str | None, inputs: Sequence[str], function: str | None) -> LoadedModel:
    """The model of a file that holds a graph instead of Python code."""
    if name is not None:
        raise UsageError(f"--model {name}: {spec} holds one model", fix="leave --model out")
    if suffix == ".mlir":
        from torch2hw.frontend.mlir_file import load_mlir

        return load_mlir(spec, inputs, function)
    if suffix == ".onnx":
        from torch2hw.frontend.onnx_file import load_onnx

        return load_onnx(spec, inputs)
    from torch2hw.frontend.exported_file import load_exported

    return load_exported(spec, inputs)


def in_eval_mode(model: nn.Module) -> nn.Module:
    """The model, put in eval mode; of one that torch.compile made, the model it was made from.

    What torch.export or `convert_pt2e` made has no modes, and its `eval` raises.
    """
    if type(model).__name__ == "OptimizedModule":
        original: nn.Module = model._orig_mod  # type: ignore[assignment]
        return in_eval_mode(original)
    with contextlib.suppress(NotImplementedError):
        model.eval()
    return model


def top_name(stem: str) -> str:
    """The default name of the top module."""
    top = identifier(stem, "model")
    return f"{top}_top" if top in KEYWORDS | CONTROL_PORTS else top


def type_and_shape(text: str) -> tuple[str, tuple[int, ...]]:
    """`f32` and (1, 64) of `f32[1,64]`, as --input has it. Raises UsageError for other text, and for shapes that no
    design can hold."""
    match = re.fullmatch(r"(\w+)\[([\d,\s]*)\]", text.strip())
    if match is None or match.group(1) not in INPUT_DTYPES:
        raise UsageError(
            f"--input {text}: not a type and shape",
            fix=f"write f32[1,64], or f32[] for a scalar; the types are {' '.join(INPUT_DTYPES)}",
        )
    shape = tuple(int(size) for size in match.group(2).split(",") if size.strip())
    if math.prod(shape) > MAX_INPUT_ELEMENTS:
        raise UsageError(
            f"--input {text}: {math.prod(shape):,} elements",
            why=f"an input of more than {MAX_INPUT_ELEMENTS:,} elements fits into no memory of a design",
            fix="give a smaller shape",
        )
    return match.group(1), shape


def _example(text: str) -> torch.Tensor:
    """The example of `f32[1,64]`: normally distributed numbers with seed 0; zeros where the type is not a float."""
    import torch

    name, shape = type_and_shape(text)
    dtype: torch.dtype = getattr(torch, INPUT_DTYPES[name])
    generator = torch.Generator().manual_seed(0)
    return (
        torch.randn(shape, generator=generator).to(dtype)
        if dtype.is_floating_point
        else torch.zeros(shape, dtype=dtype)
    )

"""Finds the model and its example inputs in a Python file, or behind `package.module:attribute`.

The first of these that is complete is taken:

1. globals `model` (an `nn.Module`) and `example_inputs` (a tensor, or a tuple of what `forward` takes);
2. functions `get_model()` and `get_sample_input()`;
3. `--model NAME --input f32[1,64]`: NAME is an `nn.Module` class, or a callable without arguments that makes one.

An explicit `--model` or `--input` overrides the file. The file is executed, with its folder on the import path and
PyTorch's random generator seeded with 0, so that weights which the file does not seed are the same each time. What the
file prints goes to stderr. The model is put in eval mode.

Refuses: `usage` (no such file, not a Python file, a malformed --input), `model-file` (does not execute), `no-model`,
`ambiguous-model`, `not-a-module`, `example-inputs`.
"""

from __future__ import annotations

import contextlib
import math
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch2hw.dialects.names import CONTROL_PORTS, KEYWORDS, identifier
from torch2hw.dialects.number_types import ELEMENT_TYPES
from torch2hw.frontend.locations import Sources
from torch2hw.frontend.model_definitions import Definitions
from torch2hw.frontend.model_file import check_exists, execute, user_code
from torch2hw.tools.errors import UsageError

if TYPE_CHECKING:
    import torch
    from torch import nn

INPUT_DTYPES = {kind.name: kind.torch for kind in ELEMENT_TYPES if kind.torch is not None}
"""The type names of --input, and PyTorch's name for each."""

PRECISIONS = ("float32", "int8")
"""Of layers, in `get_precision_spec()`."""

MAX_INPUT_ELEMENTS = 1 << 28


@dataclass(frozen=True)
class LoadedModel:
    """A model in eval mode and the positional arguments that it is compiled for.

    `source_file` is the file as the user wrote it; `top` a legal name made from its stem;
    `inputs_place` where the example inputs stand; `kept_in_float` the layers that `get_precision_spec()` names.
    """

    model: nn.Module
    example_inputs: tuple[Any, ...]
    source_file: str
    top: str
    sources: Sources
    inputs_place: tuple[str, int] | None = None
    kept_in_float: tuple[str, ...] = ()


def load(spec: str, name: str | None = None, inputs: Sequence[str] = ()) -> LoadedModel:
    """The model that MODEL, --model and --input mean."""
    check_exists(spec)
    import torch

    given_inputs = tuple(_example(text) for text in inputs)
    torch.manual_seed(0)
    with contextlib.redirect_stdout(sys.stderr):
        module, attribute, sources, shown = execute(spec)
        file = Definitions(module, sources, shown, given_inputs)
        wanted = name or attribute
        with user_code(file.sources, shown):
            model, example_inputs = file.named(wanted) if wanted is not None else file.conventional()
            kept = file.kept_in_float()
    top = top_name(Path(shown).stem)
    return LoadedModel(in_eval_mode(model), example_inputs, shown, top, sources, file.inputs_place(), kept)


def in_eval_mode(model: nn.Module) -> nn.Module:
    """The model, put in eval mode. What torch.export or `convert_pt2e` made has no modes, and its `eval` raises."""
    with contextlib.suppress(NotImplementedError):
        model.eval()
    return model


def top_name(stem: str) -> str:
    """The default name of the top module."""
    top = identifier(stem, "model")
    return f"{top}_top" if top in KEYWORDS | CONTROL_PORTS else top


def _example(text: str) -> torch.Tensor:
    """The example of `f32[1,64]`: normally distributed numbers with seed 0; zeros where the type is not a float."""
    import torch

    match = re.fullmatch(r"(\w+)\[([\d,\s]*)\]", text.strip())
    if match is None or match.group(1) not in INPUT_DTYPES:
        raise UsageError(
            f"--input {text}: not a type and shape",
            fix=f"write f32[1,64], or f32[] for a scalar; the types are {' '.join(INPUT_DTYPES)}",
        )
    dtype: torch.dtype = getattr(torch, INPUT_DTYPES[match.group(1)])
    shape = [int(size) for size in match.group(2).split(",") if size.strip()]
    if math.prod(shape) > MAX_INPUT_ELEMENTS:
        raise UsageError(
            f"--input {text}: {math.prod(shape):,} elements",
            why=f"an input of more than {MAX_INPUT_ELEMENTS:,} elements fits into no memory of a design",
            fix="give a smaller shape",
        )
    generator = torch.Generator().manual_seed(0)
    return (
        torch.randn(shape, generator=generator).to(dtype)
        if dtype.is_floating_point
        else torch.zeros(shape, dtype=dtype)
    )


def _dotted(spec: str) -> re.Match[str] | None:
    """`package.module:attribute`, unless a file has that name."""
    return None if Path(spec).exists() else re.fullmatch(r"([A-Za-z_][\w.]*):([A-Za-z_]\w*)", spec)


def _check_exists(spec: str) -> None:
    """Refuse what is not there before PyTorch is imported."""
    if _dotted(spec) is not None:
        return
    path = Path(spec)
    if not path.exists():
        raise UsageError(f"{spec}: no such file", fix="MODEL is a Python file, or package.module:attribute")
    if path.suffix != ".py" or not path.is_file():
        raise UsageError(
            f"{spec}: not a Python file",
            why="torch2hw compiles an nn.Module, which only Python code can make",
            fix="write a .py file that loads it into a global `model` and sets `example_inputs`",
        )


def _execute(spec: str) -> tuple[ModuleType, str | None, Sources, str]:
    """Run the user's code; the module, the attribute of `package.module:attribute`, and the file as written."""
    dotted = _dotted(spec)
    if dotted is not None:
        return _import(dotted.group(1), dotted.group(2))
    path = Path(spec)
    sources = Sources(path.absolute().parent, path.parent)
    module_name = f"torch2hw_model_{identifier(path.stem)}"
    module_spec = importlib.util.spec_from_file_location(module_name, path.absolute())
    assert module_spec is not None and module_spec.loader is not None
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[module_name] = module
    with _import_path(sources.folder), _user_code(sources, spec), recording_construction(sources):
        module_spec.loader.exec_module(module)
    return module, None, sources, spec


def _import(module_name: str, attribute: str) -> tuple[ModuleType, str, Sources, str]:
    folder = Path.cwd()
    with _import_path(folder):
        try:
            found = importlib.util.find_spec(module_name)
        except ModuleNotFoundError:
            found = None
        if found is None or found.origin is None:
            raise UsageError(
                f"{module_name}:{attribute}: no module named {module_name}",
                fix="MODEL is a Python file, or package.module:attribute of something that this Python can import",
            )
        file = Path(found.origin)
        shown = str(file.relative_to(folder)) if file.is_relative_to(folder) else str(file)
        sources = Sources(file.parent, Path(shown).parent)
        with _user_code(sources, shown), recording_construction(sources):
            module = importlib.import_module(module_name)
    return module, attribute, sources, shown


@contextlib.contextmanager
def _import_path(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))


@contextlib.contextmanager
def _user_code(sources: Sources, shown: str) -> Iterator[None]:
    """Turn what the user's code raises into a refusal at the line that raised it."""
    from torch2hw.tools.errors import Torch2HWError

    try:
        yield
    except (Torch2HWError, KeyboardInterrupt):
        raise
    except SyntaxError as error:
        place = sources.place(error.filename, error.lineno or 0) if error.filename else (shown, 0)
        raise ModelFileError(f"syntax error: {error.msg}", location=place, fix="correct the Python code") from None
    except BaseException as error:  # noqa: BLE001 - whatever the user's code raises
        frames = sources.frames(error.__traceback__)
        place = sources.place(*frames[-1]) if frames else (shown, 0)
        if isinstance(error, ModuleNotFoundError):
            raise ModelFileError(
                f"no module named {error.name}",
                location=place,
                fix=f"install {error.name} in the environment that torch2hw runs in, or correct the import",
            ) from None
        text = traceback.format_exception_only(error)[-1].strip()
        raise ModelFileError(
            f"the model file raised {text}",
            location=place,
            why="torch2hw executes the file to get the model",
            fix="make `python " + shown + "` run without error",
        ) from None


@dataclass(frozen=True)
class _Definitions:
    """What an executed model file defines, and the choice among it."""

    module: ModuleType
    sources: Sources
    shown: str
    given_inputs: tuple[torch.Tensor, ...]

    def named(self, name: str) -> tuple[nn.Module, tuple[Any, ...]]:
        """The model of `--model NAME` or `package.module:NAME`."""
        found = getattr(self.module, name, None)
        if found is None:
            raise NoModel(
                f"the file has no {name}",
                location=(self.shown, 0),
                why="--model NAME names an nn.Module, its class, or a callable without arguments that makes one",
                fix=self._candidates_hint(),
            )
        return self._as_module(self._made(name, found), name), self._inputs()

    def conventional(self) -> tuple[nn.Module, tuple[Any, ...]]:
        """The model by the file's own conventions."""
        has = self.module.__dict__
        if "model" in has and ("example_inputs" in has or self.given_inputs):
            return self._as_module(has["model"], "model"), self._inputs()
        if "get_model" in has and ("get_sample_input" in has or self.given_inputs):
            return self._as_module(has["get_model"](), "get_model"), self._inputs()
        for name, partner in (("model", "example_inputs"), ("get_model", "get_sample_input")):
            if name in has:
                raise BadInputs(
                    f"the file has `{name}` and no `{partner}`",
                    location=self._place(name),
                    why="shapes are static: the hardware is made for the shapes of example inputs",
                    fix=HOW_TO_GIVE_INPUTS,
                )
        candidates = self._candidates()
        if len(candidates) > 1:
            raise AmbiguousModel(
                f"{len(candidates)} models in the file: {', '.join(candidates)}",
                location=self._place(candidates[-1]),
                why="none of them is `model`, none comes from `get_model()`, and --model chooses none",
                fix=f"choose one, as in --model {candidates[-1]} --input f32[1,64], or call it `model`",
            )
        raise NoModel(
            "no model in the file",
            location=(self.shown, 0),
            why="looked for globals `model` and `example_inputs`, for functions `get_model()` and "
            "`get_sample_input()`, and for --model NAME --input f32[1,64]",
            fix=self._candidates_hint(),
        )

    def _made(self, name: str, found: object) -> object:
        from torch import nn

        if isinstance(found, nn.Module) or not callable(found):
            return found
        with recording_construction(self.sources):
            try:
                return found()
            except TypeError as error:
                if "missing" not in str(error) or self.sources.frames(error.__traceback__):
                    raise
                raise NotAModule(
                    f"{name} cannot be made without arguments: {error}",
                    location=self._place(name),
                    fix=f"add `def get_model(): return {name}(…)` and use --model get_model",
                ) from None

    def _as_module(self, found: object, name: str) -> nn.Module:
        from torch import nn

        if isinstance(found, nn.Module):
            return found
        is_class = isinstance(found, type) and issubclass(found, nn.Module)
        got = f"the class {found.__name__}" if isinstance(found, type) else f"of type {type(found).__name__}"
        raise NotAModule(
            f"`{name}` is {got}, not an nn.Module"
            if name != "get_model"
            else f"get_model() gave a value {got}, not an nn.Module",
            location=self._place(name),
            fix="make an instance of it: `model = " + getattr(found, "__name__", "") + "(…)`"
            if is_class
            else "make it an nn.Module with a `forward`",
        )

    def _inputs(self) -> tuple[Any, ...]:
        if self.given_inputs:
            return self.given_inputs
        has = self.module.__dict__
        if "example_inputs" in has:
            return as_arguments(has["example_inputs"], self._place("example_inputs"))
        if "get_sample_input" in has:
            return as_arguments(has["get_sample_input"](), self._place("get_sample_input"))
        raise BadInputs(
            "no example inputs",
            location=(self.shown, 0),
            why="shapes are static: the hardware is made for the shapes of example inputs",
            fix=HOW_TO_GIVE_INPUTS,
        )

    def kept_in_float(self) -> tuple[str, ...]:
        """The layers that `get_precision_spec()` wants in floats: it gives float32 or int8 by their names."""
        spec = self.module.__dict__.get("get_precision_spec")
        found = spec() if callable(spec) else {}
        if not isinstance(found, dict) or not set(found.values()) <= set(PRECISIONS):
            raise BadInputs(
                "get_precision_spec() does not give a precision for each layer that it names",
                location=self._place("get_precision_spec"),
                why=f"it gives a dictionary of names of layers and {' or '.join(PRECISIONS)}",
                fix='return {"head": "float32"}, or leave the function out',
            )
        return tuple(str(name) for name, precision in found.items() if precision == PRECISIONS[0])

    def inputs_place(self) -> tuple[str, int] | None:
        """Where the example inputs of the file stand; None where they come from the command line."""
        names = [name for name in ("example_inputs", "get_sample_input") if name in self.module.__dict__]
        return self._place(names[0]) if names and not self.given_inputs else None

    def _candidates(self) -> list[str]:
        """Names of the `nn.Module`s and of the classes of them that the file itself defines, in its order."""
        from torch import nn

        return [
            name
            for name, value in self.module.__dict__.items()
            if isinstance(value, nn.Module)
            or (isinstance(value, type) and issubclass(value, nn.Module) and value.__module__ == self.module.__name__)
        ]

    def _candidates_hint(self) -> str:
        candidates = self._candidates()
        if candidates:
            return f"use --model {candidates[-1]} --input f32[1,64]; the file has {', '.join(candidates)}"
        return "add `model = …` (an nn.Module) and `example_inputs = (torch.randn(1, 64),)` to the file"

    def _place(self, name: str) -> tuple[str, int]:
        """Where the file binds `name` at its top level."""
        source = Path(self.module.__file__ or "")
        for statement in ast.parse(source.read_bytes()).body:
            if isinstance(statement, ast.ClassDef | ast.FunctionDef) and statement.name == name:
                return self.shown, statement.lineno
            bound = [
                node.id
                for node in ast.walk(statement)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            ]
            if name in bound:
                return self.shown, statement.lineno
        return self.shown, 0


def as_arguments(value: object, place: tuple[str, int] | None) -> tuple[Any, ...]:
    """Example inputs as positional arguments: a tensor is one argument, a tuple or list several."""
    import torch

    if isinstance(value, torch.Tensor):
        return (value,)
    if isinstance(value, tuple | list):
        return tuple(value)
    raise BadInputs(
        f"example inputs of type {type(value).__name__}",
        location=place,
        fix="make them a tensor, or a tuple of the arguments of `forward`",
    )

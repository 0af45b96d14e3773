"""What an executed model file defines, and the choice among it: `load_model` says in which order."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from torch2hw.frontend.locations import Sources, recording_construction
from torch2hw.frontend.refusals import AmbiguousModel, BadInputs, NoModel, NotAModule

if TYPE_CHECKING:
    import torch
    from torch import nn

HOW_TO_GIVE_INPUTS = "add `example_inputs = (torch.randn(1, 64),)` to the file, or use --input f32[1,64]"

CONVENTIONS = (("model", "example_inputs"), ("get_model", "get_sample_input"))
"""What a file calls its model and the inputs of it: globals, and functions that give them."""

PRECISIONS = ("float32", "int8")
"""Of layers, in `get_precision_spec()`."""


@dataclass(frozen=True)
class Definitions:
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
        for name, inputs in CONVENTIONS:
            if name in has and (inputs in has or self.given_inputs):
                return self._conventional(name), self._inputs(inputs)
        for name, partner in CONVENTIONS:
            if name in has and any(inputs in has for _, inputs in CONVENTIONS):
                return self._conventional(name), self._inputs()
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

    def _conventional(self, name: str) -> nn.Module:
        found = self.module.__dict__[name]
        return self._as_module(found() if name == "get_model" else found, name)

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

    def _inputs(self, name: str = "example_inputs") -> tuple[Any, ...]:
        """Those of --input, else those that the file gives under this name, else under the other."""
        if self.given_inputs:
            return self.given_inputs
        has = self.module.__dict__
        for each in (name, *(inputs for _, inputs in CONVENTIONS)):
            if each in has:
                found = has[each]() if each == "get_sample_input" else has[each]
                return as_arguments(found, self._place(each))
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

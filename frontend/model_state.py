"""Finds state that a model keeps in its attributes from one run to the next, by running the model, and refuses it.

`self.mem = 0.9 * self.mem + x`, an LSTM's `self.hidden`, a counter, a list used as a queue, on a buffer or a plain
attribute. A design keeps nothing from one run to the next, so each of its runs would begin with the first state.

An attribute that `forward` assigns is no state if it changes no result: a value kept for inspection, or a cache. So a
model that changed attributes is run again twice: with the attributes that it left, and with those that it left after
other inputs. If the results stay the same, bit for bit, they are taken as independent of the attributes. Afterwards the
model is restored.
"""

from __future__ import annotations

import collections
import copy
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from torch2hw.frontend.locations import Sources
from torch2hw.frontend.refusals import StatefulModel
from torch2hw.tools.errors import Torch2HWError

OWN = frozenset(vars(nn.Module()))  # what every module has: hooks, tables of parameters, `training`
CONTAINERS = (list, dict, set, collections.deque)
MAX_DEPTH = 8  # of containers in containers that are looked at

Place = tuple[str, int]
Run = Callable[[Sequence[torch.Tensor]], Sequence[torch.Tensor]]


@dataclass(frozen=True)
class _Held:
    """One attribute or buffer of a module: its value, how that looked, and what undoes a change inside it."""

    module: nn.Module
    path: str
    name: str
    value: Any
    looks: object
    contents: Any

    @property
    def kind(self) -> str:
        return "buffer" if self.name in self.module._buffers else "attribute"

    @property
    def changed(self) -> bool:
        return _value(self.module, self.name) is not self.value or _looks(self.value) != self.looks

    def restore(self) -> None:
        """Put the value back, with what was in it."""
        if isinstance(self.value, torch.Tensor):
            if _looks(self.value) != self.looks:
                self.value.data.copy_(self.contents)
        elif isinstance(self.value, CONTAINERS):
            self.value.clear()
            add = self.value.extend if isinstance(self.value, list | collections.deque) else self.value.update
            add(self.contents)


class Snapshot:
    """The attributes and buffers of a model and its layers at one time."""

    def __init__(self, model: nn.Module) -> None:
        layers = [(p, m) for p, m in model.named_modules() if not isinstance(m, torch.jit.ScriptModule)]
        self.tables = [(m, dict(vars(m)), dict(m._buffers)) for _, m in layers]
        self.held = [
            _Held(module, path, name, value, _looks(value), _contents(value))
            for path, module in layers
            for name, value in [*_attributes(module), *module._buffers.items()]
        ]
        self.names = {(id(each.module), each.name) for each in self.held}

    def changed(self, model: nn.Module) -> list[tuple[nn.Module, str, str, str]]:
        """Module, path, name and kind of every attribute that is not what it was, new ones too."""
        found = [(each.module, each.path, each.name, each.kind) for each in self.held if each.changed]
        for path, module in model.named_modules():
            if not isinstance(module, torch.jit.ScriptModule):
                new = [name for name, _ in _attributes(module) if (id(module), name) not in self.names]
                found += [(module, path, name, "attribute") for name in new]
        return found

    def restore(self) -> None:
        """Make the model what it was."""
        for module, attributes, buffers in self.tables:
            vars(module).clear()
            vars(module).update(attributes)
            module._buffers.clear()
            module._buffers.update(buffers)
        for each in self.held:
            each.restore()


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """The model's attributes are afterwards what they were before: PyTorch's tracing refuses new tensors in them."""
    tables = [(module, dict(vars(module))) for module in model.modules()]
    try:
        yield
    finally:
        for module, attributes in tables:
            for name in set(vars(module)) - set(attributes):
                del vars(module)[name]
            for name, value in attributes.items():
                if vars(module).get(name) is not value:
                    vars(module)[name] = value


def stateful(
    model: nn.Module, run: Run, tensors: Sequence[torch.Tensor], sources: Sources, place: Place
) -> tuple[Sequence[torch.Tensor], list[Torch2HWError]]:
    """What `run` gives of the tensors, and a refusal for each attribute that its results depend on and that it changes.

    What `run` raises the first time is not caught.
    """
    before = Snapshot(model)
    with _assignments(sources) as lines:
        results = run(tensors)
    changed = before.changed(model)
    if not changed:
        return results, []
    try:
        reads = depends(before, run, tensors, results)
    finally:
        before.restore()
    if not reads:
        return results, []
    return results, [
        StatefulModel(
            f"the model changes its {kind} {path + '.' if path else ''}{name} while it runs",
            location=lines.get((id(module), name)) or _mentioned(module, name, sources) or place,
            why="a design keeps nothing from one run to the next",
            fix="keep it in the design with --keep-state, or pass it as an input and return its new value",
        )
        for module, path, name, kind in changed
    ]


def repeats(
    model: nn.Module, run: Run, tensors: Sequence[torch.Tensor], results: Sequence[torch.Tensor], place: Place
) -> Iterator[Torch2HWError]:
    """A refusal if another run gives other results: the model keeps state where no attribute shows it."""
    before = Snapshot(model)
    with torch.no_grad():
        again = run(tensors)
    before.restore()
    if not _same(again, results) and not all(map(_close, again, results)):
        yield StatefulModel(
            "the model gives other results when it is run again on the same inputs",
            location=place,
            why="a design keeps nothing from one run to the next, and draws no random numbers",
            fix="pass what changes as an input and return its new value as an output",
        )


def _close(left: torch.Tensor, right: torch.Tensor) -> bool:
    """Equal but for what threads that add in another order explain."""
    return left.is_floating_point() and torch.allclose(left, right, rtol=1e-5, atol=1e-7, equal_nan=True)


def depends(before: Snapshot, run: Run, tensors: Sequence[torch.Tensor], results: Sequence[torch.Tensor]) -> bool:
    """Whether the results change with what earlier runs left behind."""
    generator = torch.Generator().manual_seed(1)
    others = [
        torch.randn(each.shape, generator=generator).to(each.dtype) if each.is_floating_point() else each
        for each in tensors
    ]
    try:
        for _ in range(3):
            if not _same(run(tensors), results):
                return True
        before.restore()
        run(others)
        return not _same(run(tensors), results)
    except Exception:  # noqa: BLE001 - the user's code, in a state that it had not the first time
        return True


def _same(left: Sequence[torch.Tensor], right: Sequence[torch.Tensor]) -> bool:
    if len(left) != len(right):
        return False
    pairs = zip(left, right, strict=True)
    return all(a.shape == b.shape and bool(torch.all((a == b) | (a.ne(a) & b.ne(b)))) for a, b in pairs)


def _attributes(module: nn.Module) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in vars(module).items() if name not in OWN]


def _value(module: nn.Module, name: str) -> Any:
    return module._buffers[name] if name in module._buffers else vars(module).get(name)


def _looks(value: Any, depth: int = 0) -> object:
    """Equal for two times between which a value did not change: which tensors, in which version, which numbers."""
    if isinstance(value, torch.Tensor):
        return id(value), value._version if not value.is_inference() else 0
    if isinstance(value, dict) and depth < MAX_DEPTH:
        return [(repr(key), _looks(each, depth + 1)) for key, each in value.items()]
    if isinstance(value, list | tuple | set | collections.deque) and depth < MAX_DEPTH:
        return type(value), [_looks(each, depth + 1) for each in value]
    if isinstance(value, bool | int | float | complex | str | bytes | type(None)):
        return type(value), repr(value)
    return id(value)


def _contents(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    return copy.copy(value) if isinstance(value, CONTAINERS) else None


@contextmanager
def _assignments(sources: Sources) -> Iterator[dict[tuple[int, str], Place]]:
    """The user's line of the last assignment to each attribute, by module and name."""
    original, lines = nn.Module.__setattr__, dict[tuple[int, str], Place]()

    def recording(self: nn.Module, name: str, value: Any) -> None:
        frame = sys._getframe(1)
        if sources.owns(frame.f_code.co_filename):
            lines[id(self), name] = sources.place(frame.f_code.co_filename, frame.f_lineno)
        original(self, name, value)

    nn.Module.__setattr__ = recording  # type: ignore[method-assign]
    try:
        yield lines
    finally:
        nn.Module.__setattr__ = original  # type: ignore[method-assign]


def _mentioned(module: nn.Module, name: str, sources: Sources) -> Place | None:
    """The last line of the module's `forward` that names the attribute: one that changes it in place."""
    try:
        text, first = inspect.getsourcelines(type(module).forward)
        file = inspect.getsourcefile(type(module).forward) or ""
    except (OSError, TypeError):
        return None
    lines = [first + at for at, line in enumerate(text) if re.search(rf"\.{re.escape(name)}\b", line)]
    return sources.place(file, lines[-1]) if lines and sources.owns(file) else None

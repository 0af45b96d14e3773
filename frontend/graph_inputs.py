"""The inputs of a graph that was read from a file: their shapes, and example values for them.

Shapes are the file's. `--input TYPE[SHAPE]`, once for each input in order, or `--input NAME=TYPE[SHAPE]`, gives the
sizes of dimensions that the file leaves open; one that contradicts the file is refused.

Values are normally distributed (seed 0); integers are below the smallest dimension that they index, and 0 or 1 where
they index nothing, like booleans.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch2hw.dialects.names import identifier
from torch2hw.frontend.load_model import type_and_shape
from torch2hw.frontend.refusals import DynamicShape
from torch2hw.frontend.signature import type_name
from torch2hw.tools.errors import Torch2HWError, UsageError, raise_all

if TYPE_CHECKING:
    import torch
    from torch import fx

PASSED_ON = frozenset(
    "view reshape flatten unsqueeze squeeze expand permute transpose t clone contiguous alias detach to _to_copy slice "
    "select cat stack repeat clamp clamp_min clamp_max relu where flip roll remainder".split()
)
"""Operations whose result's elements are elements of an operand, or no further from zero."""


@dataclass(frozen=True)
class GraphInput:
    """An input by its name in the file; a dimension that the file leaves open is its name there, or empty."""

    name: str
    dtype: torch.dtype
    shape: tuple[int | str, ...]

    @property
    def type_name(self) -> str:
        """The type as --input calls it."""
        return type_name(self.dtype)

    def __str__(self) -> str:
        """As --input is written, open dimensions by name."""
        sizes = ",".join(str(size) or "?" for size in self.shape)
        return f"{self.name}={self.type_name}[{sizes}]"


def input_text(dtype: torch.dtype, shape: Sequence[int]) -> str:
    """What --input is given for a tensor."""
    return f"{type_name(dtype)}[{','.join(map(str, shape))}]"


def texts_by_name(file: str, inputs: Sequence[GraphInput], given: Sequence[str]) -> dict[str, str]:
    """`TYPE[SHAPE]` of each input that `given` (the texts of --input) names or counts to, by its name in the file.

    Raises UsageError for a text that fits no input.
    """
    texts: dict[str, str] = {}
    positions = iter(inputs)
    for text in given:
        named, _, rest = text.rpartition("=")
        found = next((each for each in inputs if named and named in (each.name, identifier(each.name))), None)
        if not named:
            found = next(positions, None)
        if found is None or found.name in texts:
            raise UsageError(
                f"--input {text}: {file} has no {'further input' if not named else f'input {named}'}",
                fix=f"its inputs are {', '.join(map(str, inputs)) or 'none'}",
            )
        texts[found.name] = rest if named else text
    return texts


def shapes(file: str, inputs: Sequence[GraphInput], given: Sequence[str]) -> list[tuple[int, ...]]:
    """The shape of each input, with the sizes of `given` (the texts of --input) for open dimensions.

    Raises UsageError for a text that fits no input, DynamicShape where a dimension stays open.
    """
    texts = texts_by_name(file, inputs, given)
    sizes = [_sizes(file, each, texts[each.name]) if each.name in texts else each.shape for each in inputs]
    raise_all(list(_open(file, inputs, sizes)))
    return [tuple(int(size) for size in shape) for shape in sizes]


def _sizes(file: str, wanted: GraphInput, text: str) -> tuple[int | str, ...]:
    given_type, sizes = type_and_shape(text)
    fits = len(sizes) == len(wanted.shape) and all(
        isinstance(size, str) or size == given for size, given in zip(wanted.shape, sizes, strict=True)
    )
    if given_type != wanted.type_name or not fits:
        raise UsageError(
            f"--input {text}: contradicts {file}",
            why=f"the file has input {wanted}",
            fix="give sizes for the dimensions that the file leaves open, and its own for the others",
        )
    return sizes


def _open(file: str, inputs: Sequence[GraphInput], sizes: Sequence[tuple[int | str, ...]]) -> Iterator[Torch2HWError]:
    for each, shape in zip(inputs, sizes, strict=True):
        left = [(k, size) for k, size in enumerate(shape) if isinstance(size, str)]
        if left:
            names = ", ".join(f"{k}{f' ({name})' if name else ''}" for k, name in left)
            example = ",".join("1" if isinstance(size, str) else str(size) for size in shape)
            yield DynamicShape(
                f"input {each.name} has no size in dimension {names}",
                location=(file, 0),
                why="shapes are static: the hardware is made for one size of each dimension",
                fix=f"choose it, as in --input {each.name}={each.type_name}[{example}]",
            )


def example_values(graph: fx.GraphModule, inputs: Sequence[GraphInput], sizes: Sequence[Sequence[int]]) -> list[Any]:
    """A tensor for each input; the placeholders of `graph` have their names, others stand for constants."""
    return values_below(inputs, sizes, _limits(graph, inputs, sizes))


def values_below(inputs: Sequence[GraphInput], sizes: Sequence[Sequence[int]], limits: Sequence[int]) -> list[Any]:
    """A tensor for each input, the integers of each below its limit."""
    import torch

    generator = torch.Generator().manual_seed(0)
    values = []
    for each, size, limit in zip(inputs, sizes, limits, strict=True):
        if each.dtype.is_floating_point:
            values.append(torch.randn(*size, generator=generator).to(each.dtype))
        else:
            values.append(torch.randint(0, limit, tuple(size), generator=generator).to(each.dtype))
    return values


def _limits(graph: fx.GraphModule, inputs: Sequence[GraphInput], sizes: Sequence[Sequence[int]]) -> list[int]:
    """What each input's integers stay below."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.fx.passes.fake_tensor_prop import FakeTensorProp

    placeholders = [node for node in graph.graph.nodes if node.op == "placeholder"]
    if all(each.dtype.is_floating_point or each.dtype == torch.bool for each in inputs):
        return [2] * len(inputs)
    kept = [(node, dict(node.meta)) for node in graph.graph.nodes]
    with contextlib.suppress(Exception), torch.no_grad():  # what cannot be followed indexes nothing that we know
        pairs = zip(inputs, sizes, strict=True)
        made = {each.name: torch.zeros(tuple(size), dtype=each.dtype) for each, size in pairs}
        mode = FakeTensorMode(allow_non_fake_inputs=True)
        FakeTensorProp(graph, mode).propagate(*(made.get(str(node.target)) for node in placeholders))
    by_name = {str(node.target): node for node in placeholders}
    limits = [_limit(by_name[each.name]) for each in inputs]
    for node, meta in kept:
        node.meta = meta
    return limits


def _limit(source: fx.Node) -> int:
    """The smallest dimension that the elements of a node index, else 2."""
    found: list[int] = []
    seen, waiting = {source}, [source]
    while waiting:
        node = waiting.pop()
        for user in node.users:
            found += _indexed(user, node)
            if user not in seen and _name(user) in PASSED_ON:
                seen.add(user)
                waiting.append(user)
    return max(1, min(found, default=2))


def _name(node: fx.Node) -> str:
    return str(getattr(node.target, "overloadpacket", node.target)).rpartition(".")[2]


def _indexed(user: fx.Node, index: fx.Node) -> list[int]:
    """The dimensions of its operand that `user` indexes with the elements of `index`."""
    data = user.args[0] if user.args else None
    meta: dict[str, Any] = getattr(data, "meta", {})
    shape = tuple(getattr(meta.get("val"), "shape", ()))
    name, arguments = _name(user), user.args
    if name in ("embedding", "embedding_bag", "_embedding_bag") and index in arguments[1:2]:
        return [shape[0]]
    if name in ("index", "index_put", "_unsafe_index") and isinstance(arguments[1], list | tuple):
        return [shape[k] for k, each in enumerate(arguments[1]) if each is index]
    dimensional = ("gather", "index_select", "scatter", "scatter_add", "index_add", "scatter_reduce", "index_copy")
    if name in dimensional and len(arguments) > 2 and arguments[2] is index and shape:
        return [shape[int(arguments[1])]]  # type: ignore[arg-type]
    if name == "one_hot" and len(arguments) > 1:
        return [int(arguments[1])]  # type: ignore[arg-type]
    return []

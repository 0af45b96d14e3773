"""What can be refused before any compilation: types and sizes that no hardware will hold.

Every tensor of the model, of its inputs and outputs, and of the exported graph is looked at; all refusals are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from torch2hw.dialects.number_types import ELEMENT_TYPES, torch_number_type
from torch2hw.frontend.locations import SITE, Sources
from torch2hw.frontend.quantized_functions import is_quantized_function
from torch2hw.frontend.refusals import (
    DataDependentControlFlow,
    DynamicShape,
    EmptyTensor,
    NotExportable,
    UnsupportedDtype,
    UnsupportedOperation,
)
from torch2hw.frontend.signature import dtype_name
from torch2hw.tools.errors import Torch2HWError

if TYPE_CHECKING:
    import torch
    from torch import fx, nn

Place = tuple[str, int] | None
FACTORISING = frozenset(
    {f"aten.{name}" for name in "det logdet slogdet inverse pinverse cholesky cholesky_inverse qr svd lu_solve".split()}
    | {
        f"aten.linalg_{name}"
        for name in "det slogdet inv inv_ex pinv solve solve_ex lstsq cholesky cholesky_ex".split()
    }
    | {f"aten.linalg_{name}" for name in "qr svd svdvals eig eigh eigvals eigvalsh lu lu_factor matrix_rank".split()}
)

TRANSPARENT = frozenset(["wrap_with_autocast", "wrap_with_set_grad_enabled"])
"""What torch.export makes of `with torch.autocast(…)` and the like: a graph of its own, which becomes part of the one
around it when operations are decomposed."""


def check_tensor(
    tensor: torch.Tensor, what: str, place: Place, operation: str | None = None
) -> Iterator[Torch2HWError]:
    """Refusals of one tensor; `what` says which, as in `input x`."""
    dtype = dtype_name(tensor.dtype)
    if any(not isinstance(size, int) for size in tensor.shape):
        yield DynamicShape(
            f"the shape of {what} depends on the values of a tensor",
            location=place,
            operation=operation,
            why="memories and loops of the hardware have sizes that are fixed when it is compiled",
            fix="compute on all elements and select with torch.where",
        )
    elif tensor.is_complex():
        yield UnsupportedDtype(
            f"{what} is complex ({dtype})",
            location=place,
            operation=operation,
            why="there are no units for complex numbers",
            fix="keep real and imaginary parts in two real tensors",
        )
    elif tensor.is_quantized or torch_number_type(dtype) is None:
        yield UnsupportedDtype(
            f"{what} is {dtype}",
            location=place,
            operation=operation,
            why=f"hardware holds {', '.join(str(kind.torch) for kind in ELEMENT_TYPES)}"
            if not tensor.is_quantized
            else "quantised tensors are unsupported",
            fix="compile the model before quantising it" if tensor.is_quantized else "convert it to float32",
        )
    elif dtype == "float64":
        yield UnsupportedDtype(
            f"{what} is float64",
            location=place,
            operation=operation,
            why="there are no double-precision units",
            fix="convert with .float(); the distance to PyTorch in float64 is reported either way",
        )
    elif 0 in tensor.shape:
        yield EmptyTensor(
            f"{what} is empty: shape {tuple(tensor.shape)}",
            location=place,
            operation=operation,
            why="a memory has at least one element",
            fix="give every dimension a size of at least 1",
        )


def check_scripted(model: nn.Module, sources: Sources, place: Place) -> Iterator[Torch2HWError]:
    """The refusal of a model in TorchScript, or with a layer in it."""
    import torch

    for path, module in model.named_modules():
        site = module.__dict__.get(SITE) if not isinstance(module, torch.jit.ScriptModule) else None
        here = sources.place(*site) if site is not None else place
        if isinstance(module, torch.jit.ScriptModule):
            yield NotExportable(
                f"{f'layer {path}' if path else 'the model'} is in TorchScript ({type(module).__name__})",
                location=here,
                why="torch.export follows Python code, which torch.jit.trace and torch.jit.script have left behind",
                fix="compile the nn.Module that it was made from",
            )
            return


def check_weights(model: nn.Module, sources: Sources, place: Place) -> Iterator[Torch2HWError]:
    """Refusals of parameters and buffers, and of layers whose weights are packed out of sight."""
    quantised = "\0"  # the path of the last quantised layer; what is inside it is part of it
    for path, module in model.named_modules():
        site = module.__dict__.get(SITE)
        here = sources.place(*site) if site is not None else place
        if "quantized" in type(module).__module__.split(".") and not path.startswith(f"{quantised}."):
            quantised = path
            yield UnsupportedDtype(
                f"layer {path or type(module).__name__} is quantised ({type(module).__name__})",
                location=here,
                why="quantised layers are unsupported",
                fix="compile the model before quantising it",
            )
        for kind, tensors in (
            ("parameter", module.named_parameters(recurse=False)),
            ("buffer", module.named_buffers(recurse=False)),
        ):
            for name, tensor in tensors if not hasattr(module, "calculate_qparams") else ():  # of an observer
                yield from check_tensor(tensor, f"{kind} {path + '.' if path else ''}{name}", here)


def check_graph(graph: fx.Graph, place_of: Callable[[fx.Node], Place]) -> Iterator[Torch2HWError]:
    """Refusals of the operations of an exported graph, at the user's lines."""
    import torch

    refused: set[fx.Node] = set()  # only where trouble begins is it told
    for node in graph.nodes:
        if not refused.isdisjoint(node.all_input_nodes):
            refused.add(node)
        elif node.op == "call_function":
            errors: list[Torch2HWError] = []
            name, place = operation_name(node.target), place_of(node)
            if name in TRANSPARENT:
                inside = [each for each in node.all_input_nodes if each.op == "get_attr"]
                modules = [getattr(graph.owning_module, str(each.target)) for each in inside]
                errors = [each for module in modules for each in check_graph(module.graph, place_of)]
            elif isinstance(node.target, torch._ops.HigherOrderOperator):
                errors = [
                    DataDependentControlFlow(
                        f"control flow that depends on values: torch.{name}",
                        location=place,
                        operation=name,
                        why="the schedule of the hardware is fixed when it is compiled",
                        fix="compute every branch and select with torch.where",
                    )
                ]
            else:
                errors = list(_check_result(node, name, place))
            if errors:
                refused.add(node)
            yield from errors


def _check_result(node: fx.Node, name: str, place: Place) -> Iterator[Torch2HWError]:
    import torch

    if name in FACTORISING:
        yield UnsupportedOperation(
            f"{name} is unsupported",
            location=place,
            operation=name,
            why="it factorises a matrix, and which row comes next depends on the values",
            fix="write out the formula for a small matrix (a*d - b*c), or compute it beforehand and make it a buffer",
        )
        return
    if "quantize" in name and "fake_quantize" not in name and not is_quantized_function(name):
        yield UnsupportedDtype(
            f"{name} makes a quantised tensor",
            location=place,
            operation=name,
            why="quantised tensors are unsupported",
            fix="compile the model before quantising it",
        )
        return
    value = node.meta.get("val")
    for tensor in value if isinstance(value, tuple | list) else [value]:
        if isinstance(tensor, torch.Tensor) and not _is_python_number(node, tensor):
            for error in check_tensor(tensor, f"the result of {name}", place, name):
                if not isinstance(error, EmptyTensor):  # one that disappears (torch.cat) does no harm; see supported
                    yield error


def check_decomposed(graph: fx.Graph, place_of: Callable[[fx.Node], Place]) -> Iterator[Torch2HWError]:
    """Refusals, in a decomposed graph, of operators that do more than compute: they draw random numbers (before that,
    those that may are marked too), check values or print them."""
    import torch

    for node in graph.nodes:
        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
            name = operation_name(node.target)
            yield UnsupportedOperation(
                f"{name} draws random numbers",
                location=place_of(node),
                operation=name,
                why="the same inputs must give the same outputs, bit for bit",
                fix="pass the random numbers as an input, or make them a buffer",
            )
        elif isinstance(node.target, torch._ops.HigherOrderOperator):
            inner = [each for each in node.args if isinstance(each, torch._ops.OpOverload)]
            if torch.ops.aten._linalg_check_errors.default in inner:
                continue  # of a factorisation, which is refused itself
            name = operation_name(inner[0] if inner else node.target)
            yield UnsupportedOperation(
                f"{name} is unsupported",
                location=place_of(node),
                operation=name,
                why="it looks at values while the model runs, to report or to refuse them",
                fix="express the model without it",
            )


def _is_python_number(node: fx.Node, tensor: torch.Tensor) -> bool:
    """A Python float that PyTorch made a float64 scalar on its own; it is rounded to f32."""
    import torch

    inputs = [argument.meta.get("val") for argument in node.all_input_nodes]
    return (
        tensor.dim() == 0
        and dtype_name(tensor.dtype) == "float64"
        and all(dtype_name(value.dtype) == "float64" for value in inputs if isinstance(value, torch.Tensor))
    )


def operation_name(target: Any) -> str:
    """`aten.fft_fft` of an overload `aten.fft_fft.default`; the name of anything else."""
    text = str(target)
    return text.rsplit(".", 1)[0] if text.count(".") > 1 else text

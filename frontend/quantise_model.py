"""A model in floats → the same model in int8, as torchao's PT2E makes it; and codes at its border.

`--quantize int8` exports the model, watches its tensors while it runs on the calibration data, and converts it with
`Int8Quantizer`: what comes out is a graph of quantise, dequantise and PyTorch's own operations, which is compiled, and
which PyTorch runs to compare with. `--io int8` takes the conversions at the border of such a graph away: the design's
inputs and outputs are codes, and each has a scale and a zero point. The code of x is round(x / scale) + zero_point.

Refuses: `quantisation-failed` where PyTorch cannot quantise the model; `usage` for calibration data that do not fit,
a layer that is not there, and where torchao is not installed.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import fx

from torch2hw.dialects.loops import PortCodes
from torch2hw.frontend.input_sets import read_sets
from torch2hw.frontend.load_model import LoadedModel
from torch2hw.frontend.quiet import quiet
from torch2hw.frontend.refusals import QuantisationFailed
from torch2hw.frontend.signature import Structure
from torch2hw.tools.errors import UsageError

INSTALL = "pip install --no-deps torchao==0.18.0"
RANDOM_SETS = 8
"""Sets of random inputs that calibrate besides the example inputs, where there are no calibration data."""


class QuantiseOptions(Protocol):
    """The options that are read here; compiler/options.py says what each means."""

    @property
    def quantize(self) -> str | None:
        """`int8` or `int4`, with `:per-tensor` or without; None leaves the model in floats."""

    @property
    def calibrate(self) -> str | None:
        """A .npz file of inputs; None: the example inputs and random ones."""

    @property
    def keep_float(self) -> tuple[str, ...]:
        """Names of layers that stay in floats."""

    @property
    def ports(self) -> str:
        """`float` or `int8`: what inputs and outputs are."""


@dataclass(frozen=True)
class Quantised:
    """The model that is compiled, and the codes of each tensor at its border (None of one that has none), in the order
    of the ports."""

    loaded: LoadedModel
    inputs: tuple[PortCodes | None, ...]
    outputs: tuple[PortCodes | None, ...]


def quantised(loaded: LoadedModel, options: QuantiseOptions) -> Quantised | None:
    """The model as these options want it; None where they want it as it is."""
    if options.quantize is None and options.ports != "int8":
        return None
    changed = loaded if options.quantize is None else _converted(loaded, options)
    if options.ports == "float":
        return Quantised(changed, (), ())
    return _with_codes(changed, options)


def _converted(loaded: LoadedModel, options: QuantiseOptions) -> LoadedModel:
    """The model, quantised."""
    assert options.quantize is not None
    if importlib.util.find_spec("torchao") is None:
        raise UsageError(
            f"--quantize {options.quantize}: torchao is not installed", why="it quantises PyTorch's models", fix=INSTALL
        )
    kept = (*options.keep_float, *loaded.kept_in_float)
    _check_layers(loaded, kept)
    sets = calibration_sets(loaded, options)
    with quiet(), torch.no_grad():
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

        from torch2hw.frontend.quantizer import Int8Quantizer

        weights, _, scales = options.quantize.partition(":")
        quantizer = Int8Quantizer(sets[0], scales == "per-tensor", kept, int(weights.removeprefix("int")))
        try:
            exported = torch.export.export(loaded.model, loaded.example_inputs).module()
            prepared = prepare_pt2e(exported, quantizer)
            for arguments in sets:
                prepared(*arguments)
            model = convert_pt2e(prepared)
        except Exception as error:
            raise QuantisationFailed(
                f"PyTorch cannot quantise the model: {(str(error).strip() or type(error).__name__).splitlines()[0]}",
                location=(loaded.source_file, 0),
                why="torch.export and torchao's prepare_pt2e and convert_pt2e make an int8 model of it",
                fix="compile it without --quantize, or keep the layer at fault in floats with --keep-float NAME",
            ) from error
    return replace(loaded, model=_plain(model, loaded))


def _check_layers(loaded: LoadedModel, names: Sequence[str]) -> None:
    """Refuse names of layers that the model does not have."""
    layers = {path for path, _ in loaded.model.named_modules() if path}
    for name in names:
        if name not in layers:
            raise UsageError(
                f"--keep-float {name}: the model has no layer of that name",
                fix=f"its layers are {', '.join(sorted(layers)) or 'none'}",
            )


def calibration_sets(loaded: LoadedModel, options: QuantiseOptions) -> list[tuple[Any, ...]]:
    """The arguments to watch the model on: those of the file, or the example inputs and random ones like them."""
    structure, tensors = Structure.of(loaded.example_inputs)
    if options.calibrate is not None:
        return [structure.build(each) for each in read_sets("--calibrate", Path(options.calibrate), loaded)[0]]
    print(
        "warning: no calibration data: the ranges of int8 codes are those of the example inputs and of random ones; "
        "give real inputs with --calibrate data.npz",
        file=sys.stderr,
    )
    generator = torch.Generator().manual_seed(0)
    sets = [list(tensors)]
    for _ in range(RANDOM_SETS):
        sets.append([_like(tensor, generator) for tensor in tensors])
    return [structure.build(each) for each in sets]


def _like(tensor: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Normally distributed numbers with the mean and deviation of the example; of others, itself."""
    if not tensor.is_floating_point():
        return tensor
    deviation = float(tensor.std()) if tensor.numel() > 1 else 1.0
    return torch.randn(tensor.shape, generator=generator).to(tensor.dtype) * deviation + tensor.mean()


def _plain(model: fx.GraphModule, loaded: LoadedModel) -> fx.GraphModule:
    """The graph as a module of its own, without the checks that torch.export puts around it."""
    graph = model.graph
    for node in list(graph.nodes):
        if node.op == "call_module" and not node.users:
            graph.erase_node(node)
    return fx.GraphModule(model, graph, type(loaded.model).__name__)


def _with_codes(loaded: LoadedModel, options: QuantiseOptions) -> Quantised:
    """The model without the conversions at its border, and what its codes are."""
    if not isinstance(loaded.model, fx.GraphModule):
        raise UsageError(
            "--io int8: the model is not quantised",
            why="codes have the scales of a quantised model",
            fix="add --quantize int8, or give a model that convert_pt2e made",
        )
    model = _plain(loaded.model, loaded)
    structure, tensors = Structure.of(loaded.example_inputs)
    inputs, examples = [], []
    placeholders = [node for node in model.graph.nodes if node.op == "placeholder"]
    for node, tensor in zip(placeholders, tensors, strict=True):
        codes = _codes_of(list(node.users))
        inputs.append(None if codes is None else codes[0])
        examples.append(tensor if codes is None else next(iter(node.users)).target(tensor, *codes[1]))
        for user in list(node.users) if codes is not None else ():
            user.replace_all_uses_with(node)
            model.graph.erase_node(user)
        if codes is not None:
            node.meta = {**node.meta, "val": examples[-1]}
    outputs = []
    output = next(node for node in model.graph.nodes if node.op == "output")
    for node in list(output.all_input_nodes):
        codes = _codes_of([node], "dequantize_per_tensor")
        outputs.append(None if codes is None else codes[0])
        if codes is not None:
            output.replace_input_with(node, node.args[0])
    model.graph.eliminate_dead_code()
    model.recompile()
    changed = replace(loaded, model=model, example_inputs=structure.build(examples))
    return Quantised(changed, tuple(inputs), tuple(outputs))


def _codes_of(nodes: Sequence[fx.Node], name: str = "quantize_per_tensor") -> tuple[PortCodes, tuple[Any, ...]] | None:
    """What all of these nodes quantise to, and their arguments beside the tensor; None if they differ or do not."""
    target = getattr(getattr(torch.ops.quantized_decomposed, name, None), "default", None)
    found: set[tuple[Any, ...]] = {tuple(node.args[1:]) for node in nodes if node.target is target}
    if len(found) != 1 or any(node.target is not target for node in nodes):
        return None
    arguments: tuple[Any, ...] = found.pop()
    return PortCodes(float(arguments[0]), int(arguments[1])), arguments

"""An MLIR file (`.mlir`) as a model: linalg on tensors.

The top function is `--top-function NAME`, else `main`, `top`, or the only function that no other calls; what it calls
is inlined. Its arguments are the inputs arg0, arg1, …, its results the outputs out, or out0, out1, …. Sizes of dynamic
dimensions come from --input (`graph_inputs`). A place is the location that an operation has in the file, else its line.

What the program computes is what upstream's own passes and JIT make of it (`mlir_cpu`); results are compared with that.

Refuses: `model-file` (what MLIR does not parse or verify), `no-top-function`, `unsupported-operation`,
`unsupported-dtype`, and what `graph_inputs` does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_mlir import ir
from torch_mlir.dialects import tensor as tensor_dialect
from torch_mlir.passmanager import PassManager

from torch2hw.dialects.number_types import ELEMENT_TYPES
from torch2hw.frontend.graph_inputs import GraphInput, shapes, values_below
from torch2hw.frontend.load_model import LoadedModel, top_name
from torch2hw.frontend.locations import Sources
from torch2hw.frontend.mlir_cpu import Kind, MlirCpu
from torch2hw.frontend.mlir_indices import limits
from torch2hw.frontend.refusals import DynamicShape, ModelFileError, NoTopFunction, UnsupportedDtype
from torch2hw.frontend.signature import Structure, TensorInfo
from torch2hw.frontend.torch_to_linalg import TorchProgram, parse_module
from torch2hw.frontend.weights import Weights
from torch2hw.tools.errors import Torch2HWError, raise_all
from torch2hw.tools.isolate import run_native

TYPES = {"i1": torch.bool, **{k.name: getattr(torch, k.torch) for k in ELEMENT_TYPES if k.torch and k.name != "u8"}}
SIMPLIFY = "builtin.module(inline,canonicalize,resolve-shaped-type-result-dims,canonicalize,cse,symbol-dce)"
_RESOURCE = re.compile(r'(\w+): "0x([0-9A-Fa-f]*)"')


def load_mlir(spec: str, given: Sequence[str] = (), function: str | None = None) -> LoadedModel:
    """The model of an `.mlir` file."""
    path = Path(spec)
    text = path.read_text(encoding="utf-8", errors="replace")
    own = path.name.replace('"', "_").replace("\\", "_")
    parsed = run_native(_parsed, text, own, spec)
    whole = parse_module(parsed)
    called = _top(whole, spec, function)
    alone = run_native(_alone, parsed, called)
    inputs = _inputs(parse_module(alone), spec)
    sizes = shapes(spec, inputs, given)
    fixed = run_native(_fixed, alone, sizes)
    module = parse_module(fixed)
    main = _functions(module)["main"]
    results = [_kind(kind, spec, _line(main)) for kind in main.type.results]
    raise_all(list(_open_results(main, spec)))
    infos = [TensorInfo(each.name, size, each.type_name) for each, size in zip(inputs, sizes, strict=True)]
    names = ["out"] if len(results) == 1 else [f"out{number}" for number in range(len(results))]
    outputs = [TensorInfo(name, shape, _name(kind)) for name, (kind, shape) in zip(names, results, strict=True)]
    values = tuple(values_below(inputs, sizes, limits(main, len(inputs))))
    sources = Sources(path.absolute().parent, path.parent)
    model = MlirCpu(fixed, results)
    structure, _ = Structure.of(values)
    returned, _ = Structure.of(tuple(torch.empty(0) for _ in results) if len(results) != 1 else torch.empty(0))
    program = TorchProgram(module, _weights(text), tuple(infos), tuple(outputs), structure, returned, sources)
    return LoadedModel(model, values, spec, top_name(path.stem), sources, (spec, 0), oracle=model, program=program)


def _parsed(text: str, name: str, shown: str) -> str:
    """The module in generic form, what has no location of its own at its line of the file."""
    try:
        module = ir.Module.parse(text, ir.Context())
    except ir.MLIRError as error:
        raise_all([_syntax(each, shown) for each in error.error_diagnostics])
        raise
    with module.context:

        def locate(operation: Any) -> Any:
            found = re.match(r'loc\("-":(\d+):(\d+)', str(operation.location))
            if found:
                operation.location = ir.Location.file(name, int(found[1]), int(found[2]))
            return ir.WalkResult.ADVANCE

        module.operation.walk(locate)
    return _generic(module)


def _syntax(diagnostic: Any, shown: str) -> ModelFileError:
    line = re.search(r'"[^"]*":(\d+):\d+', str(diagnostic.location))
    return ModelFileError(
        "MLIR refuses the file",
        location=(shown, int(line[1]) if line else 0),
        why=" ".join([diagnostic.message, *(note.message for note in diagnostic.notes)]).replace("\n", " ").strip(),
        fix="write linalg on tensors with arith, math, tensor and func; lower other dialects to these first",
    )


def _generic(module: Any) -> str:
    text: str = module.operation.get_asm(enable_debug_info=True, print_generic_op_form=True)
    return text


def _functions(module: Any) -> dict[str, Any]:
    return {
        each.name.value: each
        for each in module.body.operations
        if each.operation.name == "func.func" and each.operation.regions[0].blocks
    }


def _top(module: Any, shown: str, wanted: str | None) -> str:
    """The name of the top function."""
    functions = _functions(module)
    if wanted is not None:
        if wanted in functions:
            return wanted
        raise NoTopFunction(
            f"there is no function {wanted}", location=(shown, 0), fix=f"--top-function {' or '.join(functions)}"
        )
    called = {name for name in functions if re.search(rf"callee = @{re.escape(name)}\b", _generic(module))}
    free = [name for name in functions if name not in called]
    for name in ("main", "top", *free[: len(free) == 1]):
        if name in functions:
            return name
    what = "several functions that no other calls" if free else "no function with a body that no other calls"
    fix = f"choose one with --top-function: {', '.join(functions)}" if functions else "give the file a function"
    raise NoTopFunction(f"{what}: {', '.join(free)}" if free else what, location=(shown, 0), fix=fix)


def _alone(text: str, top: str) -> str:
    """The top function alone, called main, what it calls inlined."""
    module = parse_module(text)
    with module.context:
        functions = _functions(module)
        if top != "main" and "main" in functions:
            functions.pop("main").operation.erase()
        for name, each in functions.items():
            if name == top:
                each.attributes["sym_name"] = ir.StringAttr.get("main")
            else:
                each.attributes["sym_visibility"] = ir.StringAttr.get("private")
        PassManager.parse(SIMPLIFY).run(module.operation)
    return _generic(module)


def _line(operation: Any) -> int:
    found = re.search(r'"[^"]*":(\d+):\d+', str(operation.location))
    return int(found[1]) if found else 0


def _inputs(module: Any, shown: str) -> list[GraphInput]:
    main, inputs, errors = _functions(module)["main"], [], []
    for number, kind in enumerate(main.type.inputs):
        try:
            dtype, shape = _kind(kind, shown, _line(main), f"argument {number}")
            inputs.append(GraphInput(f"arg{number}", dtype, tuple("" if size < 0 else size for size in shape)))
        except Torch2HWError as error:
            errors.append(error)
    raise_all(errors)
    return inputs


def _kind(kind: Any, shown: str, line: int, what: str = "a result") -> Kind:
    """Type and shape of a tensor; a dynamic size is -1."""
    if not isinstance(kind, ir.RankedTensorType):
        raise UnsupportedDtype(
            f"{what} of the top function is a {kind}",
            location=(shown, line),
            fix="give the function tensors of numbers, such as tensor<4x8xf32>",
        )
    dtype = TYPES.get(str(kind.element_type))
    if dtype is None:
        raise UnsupportedDtype(
            f"{what} of the top function has elements of type {kind.element_type}",
            location=(shown, line),
            fix=f"use {', '.join(TYPES)}",
        )
    return dtype, tuple(-1 if kind.is_dynamic_dim(k) else int(kind.get_dim_size(k)) for k in range(kind.rank))


def _name(dtype: torch.dtype) -> str:
    return next(name for name, each in TYPES.items() if each == dtype)


def _fixed(text: str, sizes: Sequence[tuple[int, ...]]) -> str:
    """The module with arguments of these shapes, and results of the shapes that follow."""
    module = parse_module(text)
    main = _functions(module)["main"]
    block = main.operation.regions[0].blocks[0]
    with module.context, ir.Location.unknown():
        for number, size in enumerate(sizes):
            old = block.arguments[number]
            kind = ir.RankedTensorType.get(size, ir.RankedTensorType(old.type).element_type)
            if kind != old.type:
                users = list(old.uses)
                before = old.type
                old.set_type(kind)
                with ir.InsertionPoint.at_block_begin(block):
                    cast = tensor_dialect.CastOp(before, old).result
                for use in users:
                    use.owner.operands[use.operand_number] = cast
        _set_type(main, [each.type for each in block.arguments], list(main.type.results))
        PassManager.parse(SIMPLIFY).run(module.operation)
        end = list(block.operations)[-1].operation
        for k, value in enumerate(end.operands):
            owner = value.owner
            if not isinstance(owner, ir.Block) and owner.operation.name == "tensor.cast":
                end.operands[k] = owner.operation.operands[0]
        _set_type(main, [each.type for each in block.arguments], [each.type for each in end.operands])
        PassManager.parse(SIMPLIFY).run(module.operation)
    return _generic(module)


def _set_type(function: Any, inputs: Sequence[Any], results: Sequence[Any]) -> None:
    function.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(inputs, results))


def _open_results(main: Any, shown: str) -> list[Torch2HWError]:
    return [
        DynamicShape(
            f"result {number} has a size that depends on values",
            location=(shown, _line(main)),
            why="memories and loops of the hardware have sizes that are fixed when it is compiled",
            fix="return tensors whose sizes follow from those of the arguments",
        )
        for number, kind in enumerate(main.type.results)
        if not kind.has_static_shape
    ]


def _weights(text: str) -> Weights:
    """The contents of `dense_resource` constants; the first four bytes are an alignment."""
    return {name: np.frombuffer(bytes.fromhex(data)[4:], np.uint8) for name, data in _RESOURCE.findall(text)}

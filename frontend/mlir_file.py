"""An MLIR file (`.mlir`) as a model: linalg on tensors, or loops over memories (`mlir_memories`).

The top function is `--top-function NAME`, else `main`, `top`, or the only function that no other calls; what it calls
is inlined. Its arguments are the inputs arg0, arg1, …, its results the outputs out, or out0, out1, …. Sizes of dynamic
dimensions come from --input (`graph_inputs`). A place is the location that an operation has in the file, else its line.

What the program computes is what upstream's own passes and JIT make of it (`mlir_cpu`); results are compared with that.

Refuses: `model-file` (what MLIR does not parse or verify), `no-top-function`, `unsupported-operation`,
`unsupported-dtype`, and what `graph_inputs` and `mlir_refusals` do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_mlir import ir
from torch_mlir.dialects import tensor as tensor_dialect
from torch_mlir.passmanager import PassManager

from torch2hw.frontend.graph_inputs import GraphInput, shapes, values_below
from torch2hw.frontend.load_model import LoadedModel, top_name
from torch2hw.frontend.locations import Sources
from torch2hw.frontend.mlir_cpu import MlirCpu
from torch2hw.frontend.mlir_indices import limits
from torch2hw.frontend.mlir_memories import has_memories, loops, memory_ports
from torch2hw.frontend.mlir_refusals import check_function, without_results
from torch2hw.frontend.mlir_types import functions, kind_of, line_of, type_name
from torch2hw.frontend.refusals import DynamicShape, ModelFileError, NoTopFunction
from torch2hw.frontend.signature import Structure, TensorInfo
from torch2hw.frontend.torch_to_linalg import TorchProgram, parse_module
from torch2hw.frontend.weights import Weights
from torch2hw.tools.errors import Torch2HWError, raise_all
from torch2hw.tools.isolate import run_native

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
    weights = _weights(text)
    only = parse_module(alone)
    memories = has_memories(functions(only)["main"])
    raise_all(list(check_function(functions(only)["main"], memories, spec)))
    if memories:
        return _over_memories(spec, alone, weights, given)
    inputs = _inputs(only, spec)
    sizes = shapes(spec, inputs, given)
    fixed = run_native(_fixed, alone, sizes)
    module = parse_module(fixed)
    main = functions(module)["main"]
    results = [kind_of(kind, spec, line_of(main)) for kind in main.type.results]
    raise_all(list(_open_results(main, spec)))
    values = tuple(values_below(inputs, sizes, limits(main, range(len(inputs)))))
    return _model(spec, MlirCpu(fixed, results), module, weights, _infos(inputs, sizes), values)


def _over_memories(spec: str, alone: str, weights: Weights, given: Sequence[str]) -> LoadedModel:
    """The model of a function that takes and returns memories; its inputs keep their numbers among the arguments."""
    module = parse_module(run_native(loops, alone))
    ports = memory_ports(module, spec)
    if not ports.output_kinds:
        raise without_results(functions(module)["main"], spec)
    inputs = [GraphInput(f"arg{k}", *kind) for k, kind in zip(ports.inputs, ports.input_kinds, strict=True)]
    sizes = shapes(spec, inputs, given)
    values = tuple(values_below(inputs, sizes, limits(functions(module)["main"], ports.inputs)))
    cpu = MlirCpu(alone, ports.output_kinds, ports.order)
    made = _model(spec, cpu, parse_module(alone), weights, _infos(inputs, sizes), values)
    return replace(made, program=replace(made.program, places=(*ports.inputs, *ports.written)))


def _infos(inputs: Sequence[GraphInput], sizes: Sequence[tuple[int, ...]]) -> tuple[TensorInfo, ...]:
    pairs = zip(inputs, sizes, strict=True)
    return tuple(TensorInfo(each.name, tuple(size), each.type_name) for each, size in pairs)


def _model(
    spec: str, cpu: MlirCpu, module: Any, weights: Weights, infos: tuple[TensorInfo, ...], values: tuple[Any, ...]
) -> LoadedModel:
    path, results = Path(spec), cpu.outputs
    names = ["out"] if len(results) == 1 else [f"out{number}" for number in range(len(results))]
    outputs = [TensorInfo(name, shape, type_name(kind)) for name, (kind, shape) in zip(names, results, strict=True)]
    sources = Sources(path.absolute().parent, path.parent)
    structure, _ = Structure.of(values)
    returned, _ = Structure.of(tuple(torch.empty(0) for _ in results) if len(results) != 1 else torch.empty(0))
    program = TorchProgram(module, weights, infos, tuple(outputs), structure, returned, sources)
    return LoadedModel(cpu, values, spec, top_name(path.stem), sources, (spec, 0), oracle=cpu, program=program)


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
        why=_one_line([diagnostic.message, *(note.message for note in diagnostic.notes)]),
        fix="correct it: functions are linalg on tensors, or linalg, affine and scf on memref, with arith and math",
    )


def _one_line(messages: Sequence[str]) -> str:
    """What MLIR says, without its list of all dialects."""
    return " ".join(each.partition("Available dialects:")[0].strip() for each in messages).replace("\n", " ").strip()


def _generic(module: Any) -> str:
    text: str = module.operation.get_asm(enable_debug_info=True, print_generic_op_form=True)
    return text


def _top(module: Any, shown: str, wanted: str | None) -> str:
    """The name of the top function."""
    found = functions(module)
    if wanted is not None:
        if wanted in found:
            return wanted
        raise NoTopFunction(
            f"there is no function {wanted}", location=(shown, 0), fix=f"--top-function {' or '.join(found)}"
        )
    called = {name for name in found if re.search(rf"callee = @{re.escape(name)}\b", _generic(module))}
    free = [name for name in found if name not in called]
    for name in ("main", "top", *free[: len(free) == 1]):
        if name in found:
            return name
    what = "several functions that no other calls" if free else "no function with a body that no other calls"
    fix = f"choose one with --top-function: {', '.join(found)}" if found else "give the file a function"
    raise NoTopFunction(f"{what}: {', '.join(free)}" if free else what, location=(shown, 0), fix=fix)


def _alone(text: str, top: str) -> str:
    """The top function alone, called main, what it calls inlined."""
    module = parse_module(text)
    with module.context:
        found = functions(module)
        if top != "main" and "main" in found:
            found.pop("main").operation.erase()
        for name, each in found.items():
            if name == top:
                each.attributes["sym_name"] = ir.StringAttr.get("main")
            else:
                each.attributes["sym_visibility"] = ir.StringAttr.get("private")
        PassManager.parse(SIMPLIFY).run(module.operation)
    return _generic(module)


def _inputs(module: Any, shown: str) -> list[GraphInput]:
    main, inputs, errors = functions(module)["main"], [], []
    for number, kind in enumerate(main.type.inputs):
        try:
            dtype, shape = kind_of(kind, shown, line_of(main), f"argument {number}")
            inputs.append(GraphInput(f"arg{number}", dtype, tuple("" if size < 0 else size for size in shape)))
        except Torch2HWError as error:
            errors.append(error)
    raise_all(errors)
    return inputs


def _fixed(text: str, sizes: Sequence[tuple[int, ...]]) -> str:
    """The module with arguments of these shapes, and results of the shapes that follow."""
    module = parse_module(text)
    main = functions(module)["main"]
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
            location=(shown, line_of(main)),
            why="memories and loops of the hardware have sizes that are fixed when it is compiled",
            fix="return tensors whose sizes follow from those of the arguments",
        )
        for number, kind in enumerate(main.type.results)
        if not kind.has_static_shape
    ]


def _weights(text: str) -> Weights:
    """The contents of `dense_resource` constants; the first four bytes are an alignment."""
    return {name: np.frombuffer(bytes.fromhex(data)[4:], np.uint8) for name, data in _RESOURCE.findall(text)}

"""linalg on tensors → affine: one loop nest for each linalg operation, one buffer for each tensor that is stored.

Before:  %2 = linalg.generic {maps, iterators} ins(%x, %w) outs(%1) { mulf, addf }
After:   Nest(loops = the iterators, parallel first; stage 0 carries the reduction from outs; stage 1 stores it)

needs: static shapes, results of `main` that are tensors.
leaves: no copy for reshape, transpose, broadcast, slice, pad, fill (they become index arithmetic, see `tensor_views`);
    constants folded (`scalar_folding`): an elementwise operation on constants is a constant.
refuses: an operation it does not know, as UnsupportedOperation at the user's line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from torch_mlir import ir
from torch_mlir.passmanager import PassManager

from torch2hw.dialects.loops import (
    Buffer,
    Carried,
    Constant,
    IndexValue,
    Load,
    Loop,
    Nest,
    Operation,
    Program,
    Source,
    Stage,
    Statement,
    Store,
)
from torch2hw.dialects.quasi_affine import Index, Variable, constant, delinearise, linearise, variable
from torch2hw.frontend.locations import source_of
from torch2hw.frontend.torch_to_linalg import TorchProgram
from torch2hw.lowering import tensor_views as views
from torch2hw.lowering.mlir_attributes import (
    affine_result,
    dense_bits,
    resource_blobs,
    scalar_bits,
    shape_of,
    type_name,
)
from torch2hw.lowering.refusals import unsupported
from torch2hw.lowering.scalar_folding import BITS_TYPES, array_to_bits, bits_to_array, fold
from torch2hw.lowering.tensor_views import View


def lower(torch_program: TorchProgram, name: str) -> Program:
    """The affine program of `main` in `torch_program`; buffers of arguments and results get the ports' names."""
    module = torch_program.module.operation.clone()
    PassManager.parse("builtin.module(func.func(linalg-generalize-named-ops),canonicalize,cse)", module.context).run(
        module
    )
    return _Lowering(torch_program, module, name).run()


INDEX_TABLE_LIMIT = 1 << 12
"""Elements of a tensor of indices up to which it is a table: what is computed from it is known, too."""


@dataclass
class _Body:
    """The scalar computation of a linalg.generic under construction: statements in order, and what is constant."""

    statements: list[Statement] = field(default_factory=list)
    values: dict[Any, str] = field(default_factory=dict)  # MLIR value → name
    known: dict[str, int] = field(default_factory=dict)  # name → bits
    types: dict[str, str] = field(default_factory=dict)
    runtime_indices: dict[str, str] = field(default_factory=dict)

    def fresh(self, hint: str) -> str:
        return f"{hint}{len(self.types)}"

    def add(self, statement: Statement) -> str:
        self.statements.append(statement)
        self.types[statement.result] = statement.type
        return statement.result

    def constant(self, bits: int, dtype: str) -> str:
        for known, value in self.known.items():
            if value == bits and self.types[known] == dtype:
                return known
        result = self.add(Constant(self.fresh("c"), dtype, bits))
        self.known[result] = bits
        return result


class _Lowering:
    def __init__(self, torch_program: TorchProgram, module: Any, name: str) -> None:
        self.torch_program = torch_program
        self.module = module
        self.name = name
        self.tensors: dict[Any, View] = {}
        self.scalars: dict[Any, tuple[int, str]] = {}  # constant scalars: bits and type
        self.nests: list[Nest] = []
        self.blobs = resource_blobs(module)
        self.buffer_count = 0
        self.owned: dict[Any, Buffer] = {}  # tensors that are exactly one temporary of their own
        self.became: dict[Buffer, Buffer] = {}  # temporaries that are outputs now

    def run(self) -> Program:
        function = next(op for op in self.module.regions[0].blocks[0].operations if op.operation.name == "func.func")
        block = function.operation.regions[0].blocks[0]
        inputs = []
        for argument, info in zip(block.arguments, self.torch_program.inputs, strict=True):
            shape, dtype = shape_of(argument.type)
            buffer = Buffer(info.name, shape, dtype, "input")
            inputs.append(buffer)
            self.tensors[argument] = views.of_buffer(buffer)
        outputs: list[Buffer] = []
        for operation in block.operations:
            if operation.operation.name == "func.return":
                for value, info in zip(operation.operation.operands, self.torch_program.outputs, strict=True):
                    outputs.append(self.output(value, info.name, operation))
            else:
                self.operation(operation.operation)
        return Program(self.name, tuple(inputs), tuple(outputs), tuple(self.nests))

    # -- one operation -------------------------------------------------------------------------------------------------
    def operation(self, op: Any) -> None:
        handler = getattr(self, "lower_" + op.name.replace(".", "_"), None)
        if handler is not None:
            handler(op)
        elif op.name.startswith("arith.") and not str(op.results[0].type).startswith("tensor"):
            self.scalar(op)
        else:
            raise unsupported(op.name, source_at(op))

    def lower_arith_constant(self, op: Any) -> None:
        attribute, kind = op.attributes["value"], op.results[0].type
        if not str(kind).startswith("tensor"):
            self.scalars[op.results[0]] = scalar_bits(attribute, type_name(kind)), type_name(kind)
            return
        shape, dtype = shape_of(kind)
        data = dense_bits(attribute, shape, dtype, self.blobs)
        self.tensors[op.results[0]] = self.constant_view(data, shape, dtype, source_at(op))

    def constant_view(self, data: Any, shape: tuple[int, ...], dtype: str, source: Source | None) -> View:
        """A constant, stored without the dimensions along which it does not change."""
        if (data == data.reshape(-1)[0]).all():
            return views.fill(shape, dtype, int(data.reshape(-1)[0]))
        kept = [d for d, size in enumerate(shape) if size > 1 and not (data == data.take([0], axis=d)).all()]
        stored = data[tuple(slice(None) if d in kept else 0 for d in range(len(shape)))]
        buffer = Buffer(self.buffer_name("weights"), stored.shape, dtype, "constant", stored, source)
        if stored.shape == shape:
            return views.of_buffer(buffer)
        return views.remap(views.of_buffer(buffer), shape, lambda at: [at[d] for d in kept])

    def scalar(self, op: Any) -> None:
        operands = [self.scalars.get(value) for value in op.operands]
        result_type = type_name(op.results[0].type)
        folded = None
        if all(item is not None for item in operands):
            arrays = [
                bits_to_array(np.array([item[0]], dtype=BITS_TYPES[item[1]]), item[1]) for item in operands if item
            ]
            folded = fold(op.name, arrays, tuple(item[1] for item in operands if item), result_type, _predicate(op))
        if folded is None:
            raise unsupported(op.name, source_at(op))
        self.scalars[op.results[0]] = int(array_to_bits(folded, result_type)[0]), result_type

    def lower_tensor_empty(self, op: Any) -> None:
        shape, dtype = shape_of(op.results[0].type)
        self.tensors[op.results[0]] = views.fill(shape, dtype, 0)

    def lower_tensor_cast(self, op: Any) -> None:
        self.tensors[op.results[0]] = self.tensors[op.operands[0]]

    def lower_cf_assert(self, op: Any) -> None:
        """Run-time checks of index ranges: in range is what a design requires of its inputs."""

    def lower_tensor_expand_shape(self, op: Any) -> None:
        shape, _ = shape_of(op.results[0].type)
        self.tensors[op.results[0]] = self.settle(views.reshape(self.tensors[op.operands[0]], shape), op)

    lower_tensor_collapse_shape = lower_tensor_expand_shape

    def lower_tensor_extract_slice(self, op: Any) -> None:
        source = self.tensors[op.operands[0]]
        shape, _ = shape_of(op.results[0].type)
        offsets, sizes, strides = _slice(op)
        kept = _kept_dimensions(sizes, shape)

        def indices(at: list[Index]) -> list[Index]:
            result = [constant(offset) for offset in offsets]
            for index, position in zip(at, kept, strict=True):
                result[position] = index * strides[position] + offsets[position]
            return result

        self.tensors[op.results[0]] = self.settle(views.remap(source, shape, indices), op)

    def lower_tensor_pad(self, op: Any) -> None:
        shape, _ = shape_of(op.results[0].type)
        block = op.regions[0].blocks[0]
        value = list(block.operations)[-1].operands[0]
        if value not in self.scalars:
            for inner in list(block.operations)[:-1]:
                self.operation(inner.operation)
        source = self.tensors[op.operands[0]]
        low = [int(item) for item in op.attributes["static_low"]]
        bits = self.scalars[value][0]
        padded = views.pad(source, low, shape, bits)
        if padded is None:
            padded = views.pad(self.materialise(source, op), low, shape, bits)
        assert padded is not None
        self.tensors[op.results[0]] = padded

    def lower_tensor_concat(self, op: Any) -> None:
        shape, dtype = shape_of(op.results[0].type)
        axis = int(op.attributes["dim"].value)
        buffer = self.temporary(shape, dtype, op)
        start = 0
        for value in op.operands:
            part = self.tensors[value]
            offsets = [start if d == axis else 0 for d in range(len(shape))]
            self.copy(part, buffer, lambda at, o=offsets: [i + c for i, c in zip(at, o, strict=True)], op)
            start += part.shape[axis]
        self.own(op.results[0], buffer)

    def lower_tensor_insert_slice(self, op: Any) -> None:
        source, target = self.tensors[op.operands[0]], self.tensors[op.operands[1]]
        offsets, sizes, strides = _slice(op)
        kept = _kept_dimensions(sizes, source.shape)
        buffer = self.owned.get(op.operands[1])
        if buffer is None or len(list(op.operands[1].uses)) != 1:
            buffer = self.temporary(target.shape, target.dtype, op)
            empty = _defined_by(op.operands[1], "tensor.empty")
            if not empty and sizes != list(target.shape):
                self.copy(target, buffer, list, op)

        def indices(at: list[Index]) -> list[Index]:
            result = [constant(offset) for offset in offsets]
            for index, position in zip(at, kept, strict=True):
                result[position] = index * strides[position] + offsets[position]
            return result

        self.copy(source, buffer, indices, op)
        self.own(op.results[0], buffer)

    def lower_tensor_from_elements(self, op: Any) -> None:
        shape, dtype = shape_of(op.results[0].type)
        if any(value not in self.scalars for value in op.operands):
            raise unsupported(op.name, source_at(op))
        data = np.array([self.scalars[value][0] for value in op.operands], dtype=BITS_TYPES[dtype]).reshape(shape)
        self.tensors[op.results[0]] = self.constant_view(data, shape, dtype, source_at(op))

    # -- linalg --------------------------------------------------------------------------------------------------------
    def lower_linalg_fill(self, op: Any) -> None:
        shape, dtype = shape_of(op.results[0].type)
        self.tensors[op.results[0]] = views.fill(shape, dtype, self.scalars[op.operands[0]][0])

    def lower_linalg_generic(self, op: Any) -> None:
        maps = [attribute.value for attribute in op.attributes["indexing_maps"]]
        kinds = [str(kind).split("<")[-1].rstrip(">") for kind in op.attributes["iterator_types"]]
        segments = [int(size) for size in op.attributes["operandSegmentSizes"]]
        operands = list(op.operands)
        outs = operands[segments[0] :]
        extents = self.extents(op, maps, operands, len(kinds))
        variables = [Variable(f"i{d}", extent) for d, extent in enumerate(extents)]
        at = [variable(v) for v in variables]
        reducing = "reduction" in kinds
        block = op.regions[0].blocks[0]
        body = _Body()
        carried_names: dict[int, str] = {}
        for position, (operand, mapping) in enumerate(zip(operands, maps, strict=True)):
            argument = block.arguments[position]
            if position >= segments[0]:
                if not list(argument.uses):
                    continue
                if reducing:
                    carried_names[position - segments[0]] = name = body.fresh("acc")
                    body.types[name] = type_name(argument.type)
                    body.values[argument] = name
                    continue
            if not list(argument.uses):
                continue
            if operand in self.scalars:
                bits, dtype = self.scalars[operand]
                body.values[argument] = body.constant(bits, dtype)
                continue
            body.values[argument] = self.read(
                body, self.tensors[operand], [affine_result(r, at) for r in mapping.results], op
            )
        yielded = self.scalar_body(op, block, body, at)
        if not reducing and self.forwarded(op, block, maps, operands, segments[0], variables):
            return
        self.emit(op, body, yielded, outs, maps[segments[0] :], at, variables, kinds, carried_names)

    def extents(self, op: Any, maps: Sequence[Any], operands: Sequence[Any], rank: int) -> list[int]:
        """The trip count of each iterator: the size of a dimension that it alone indexes."""
        extents = [0] * rank
        for operand, mapping in zip(operands, maps, strict=True):
            if not str(operand.type).startswith("tensor"):
                continue
            for result, size in zip(mapping.results, shape_of(operand.type)[0], strict=True):
                if isinstance(result, ir.AffineDimExpr):
                    extents[result.position] = size
        assert all(extents), f"{op.name}: an iterator that indexes no dimension by itself"
        return extents

    def read(self, body: _Body, view: View, at: list[Index], op: Any) -> str:
        element = self.moved(view.element(at))
        if element.buffer is None:
            return body.constant(element.otherwise_bits, view.dtype)
        for statement in body.statements:
            if isinstance(statement, Load) and (statement.buffer, statement.indices, statement.guard) == (
                element.buffer,
                element.indices,
                element.guard,
            ):
                return statement.result
        return body.add(
            Load(
                body.fresh("v"),
                view.dtype,
                element.buffer,
                element.indices,
                element.guard,
                element.otherwise_bits,
                source_at(op),
            )
        )

    def moved(self, element: views.Element) -> views.Element:
        """The element in the output that its buffer has become, if it has: views made before still name the buffer."""
        output = None if element.buffer is None else self.became.get(element.buffer)
        if element.buffer is None or output is None:
            return element
        place = delinearise(linearise(element.indices, element.buffer.shape), output.shape)
        return replace(element, buffer=output, indices=tuple(place))

    def scalar_body(self, op: Any, block: Any, body: _Body, at: list[Index]) -> list[str]:
        """Translates the operations of a region; returns the names of what it yields."""
        for inner in block.operations:
            operation = inner.operation
            if operation.name == "linalg.yield":
                return [self.operand(value, body) for value in operation.operands]
            if operation.name == "cf.assert":
                continue
            result = operation.results[0]
            if operation.name == "linalg.index":
                index = at[int(operation.attributes["dim"].value)]
                body.values[result] = (
                    body.constant(index.constant, "index")
                    if index.is_constant
                    else body.add(IndexValue(body.fresh("n"), index))
                )
            elif operation.name == "tensor.extract":
                body.values[result] = self.extract(operation, body)
            elif operation.name == "arith.constant":
                kind = type_name(result.type)
                body.values[result] = body.constant(scalar_bits(operation.attributes["value"], kind), kind)
            elif operation.name.startswith(("arith.", "math.")):
                body.values[result] = self.scalar_operation(operation, body)
            else:
                raise unsupported(operation.name, source_at(operation))
        raise AssertionError("a region without linalg.yield")

    def operand(self, value: Any, body: _Body) -> str:
        if value in body.values:
            return body.values[value]
        bits, dtype = self.scalars[value]
        return body.constant(bits, dtype)

    def scalar_operation(self, operation: Any, body: _Body) -> str:
        operands = tuple(self.operand(value, body) for value in operation.operands)
        types = tuple(body.types[name] for name in operands)
        kind = type_name(operation.results[0].type)
        predicate = _predicate(operation)
        if all(name in body.known for name in operands):
            arrays = [
                bits_to_array(np.array([body.known[name]], dtype=BITS_TYPES[t]), t)
                for name, t in zip(operands, types, strict=True)
            ]
            folded = fold(operation.name, arrays, types, kind, predicate)
            if folded is not None:
                return body.constant(int(array_to_bits(folded, kind)[0]), kind)
        return body.add(
            Operation(body.fresh("v"), kind, operation.name, operands, types, predicate, None, source_at(operation))
        )

    def extract(self, operation: Any, body: _Body) -> str:
        """tensor.extract: a load at an index computed at run time (embedding look-ups)."""
        view = self.tensors[operation.operands[0]]
        at = []
        for value, size in zip(list(operation.operands)[1:], view.shape, strict=True):
            name = self.operand(value, body)
            if name in body.known:
                at.append(constant(body.known[name]))
                continue
            made = next((s for s in body.statements if s.result == name), None)
            at.append(made.index if isinstance(made, IndexValue) else variable(Variable(name, size)))
        return self.read(body, view, at, operation)

    def forwarded(
        self, op: Any, block: Any, maps: Sequence[Any], operands: Sequence[Any], inputs: int, variables: list[Variable]
    ) -> bool:
        """A generic that only yields an input or a constant becomes a view of it: transposes, broadcasts, fills."""
        outputs = [list(mapping.results) for mapping in maps[inputs:]]
        if len(outputs) != 1 or not all(isinstance(result, ir.AffineDimExpr) for result in outputs[0]):
            return False
        order = [result.position for result in outputs[0]]
        if sorted(order) != list(range(len(variables))):
            return False
        value = list(block.operations)[-1].operands[0]
        shape, dtype = shape_of(op.results[0].type)
        if value in self.scalars or (
            operands and value in list(block.arguments) and operands[value.arg_number] in self.scalars
        ):
            bits = self.scalars[value if value in self.scalars else operands[value.arg_number]][0]
            self.tensors[op.results[0]] = views.fill(shape, dtype, bits)
            return True
        if value not in list(block.arguments):
            return False
        position = value.arg_number
        mapping, source = maps[position], self.tensors[operands[position]]
        if type_name(value.type) != dtype:
            return False

        def indices(at: list[Index]) -> list[Index]:
            placed = [at[order.index(d)] for d in range(len(order))]
            return [affine_result(result, placed) for result in mapping.results]

        identity = shape == source.shape and [
            affine_result(r, [variable(v) for v in variables]) for r in mapping.results
        ] == [variable(variables[d]) for d in order]
        self.tensors[op.results[0]] = source if identity else self.settle(views.remap(source, shape, indices), op)
        return True

    def emit(
        self,
        op: Any,
        body: _Body,
        yielded: list[str],
        outs: Sequence[Any],
        maps: Sequence[Any],
        at: list[Index],
        variables: list[Variable],
        kinds: list[str],
        carried_names: dict[int, str],
    ) -> None:
        source = source_at(op)
        if not carried_names and "reduction" not in kinds and self.folded(op, body, yielded, maps, variables):
            return
        stores, carried = [], []
        for number, (out, mapping, value) in enumerate(zip(outs, maps, yielded, strict=True)):
            shape, dtype = shape_of(out.type)
            buffer = self.temporary(shape, dtype, op)
            indices = [affine_result(result, at) for result in mapping.results]
            if number in carried_names:
                init = self.read(body, self.tensors[out], indices, op)
                carried.append(Carried(carried_names[number], dtype, init, value))
            stores.append(Store(buffer, tuple(indices), value, (), source))
            self.own(op.results[number], buffer)
        loops = [Loop(v) for v, kind in zip(variables, kinds, strict=True) if kind == "parallel" and v.extent > 1]
        loops += [Loop(v, 0) for v, kind in zip(variables, kinds, strict=True) if kind == "reduction" and v.extent > 1]
        macs = _multiply_accumulates(body, carried) * int(np.prod([v.extent for v in variables], dtype=np.int64))
        if carried and not any(loop.reduced_by == 0 for loop in loops):
            loops.append(Loop(next(v for v, kind in zip(variables, kinds, strict=True) if kind == "reduction"), 0))
        if carried:
            stages: tuple[Stage, ...] = (Stage(tuple(carried), tuple(body.statements)), Stage((), (), tuple(stores)))
        else:
            loops = [Loop(loop.variable) for loop in loops]
            stages = (Stage((), tuple(body.statements), tuple(stores)),)
        self.nests.append(Nest(f"n{len(self.nests)}", tuple(loops), stages, (), source, macs))

    def folded(self, op: Any, body: _Body, yielded: list[str], maps: Sequence[Any], variables: list[Variable]) -> bool:
        """An elementwise operation whose operands are all constants is computed now."""
        values: dict[str, Any] = {}
        shape = tuple(v.extent for v in variables)
        for statement in body.statements:
            if isinstance(statement, Constant):
                values[statement.result] = bits_to_array(
                    np.array(statement.bits, dtype=BITS_TYPES[statement.type]).reshape(1), statement.type
                ).reshape(())
            elif isinstance(statement, IndexValue):
                if int(np.prod(shape, dtype=np.int64)) > INDEX_TABLE_LIMIT or statement.index.variables() - {
                    *variables
                }:
                    return False
                grid = dict(zip(variables, np.indices(shape), strict=True))
                values[statement.result] = np.asarray(statement.index.evaluate(lambda v, at=grid: at[v]))  # type: ignore[misc]
            elif isinstance(statement, Load):
                view = View(
                    shape,
                    statement.type,
                    lambda at, s=statement: views.Element(  # type: ignore[misc]
                        s.buffer,
                        tuple(i.substitute(dict(zip(variables, at, strict=True))) for i in s.indices),
                        tuple(i.substitute(dict(zip(variables, at, strict=True))) for i in s.guard),
                        s.otherwise_bits,
                    ),
                )
                if any(v not in variables for index in statement.indices for v in index.variables()):
                    return False
                bits = views.evaluate(view)
                if bits is None:
                    return False
                values[statement.result] = bits_to_array(bits, statement.type)
            else:
                if any(name not in values for name in statement.operands):
                    return False
                result = fold(
                    statement.name,
                    [values[name] for name in statement.operands],
                    statement.operand_types,
                    statement.type,
                    statement.predicate,
                )
                if result is None:
                    return False
                values[statement.result] = result
        for result, mapping, name in zip(op.results, maps, yielded, strict=True):
            order = [r.position for r in mapping.results if isinstance(r, ir.AffineDimExpr)]
            if len(order) != len(mapping.results) or sorted(order) != list(range(len(variables))):
                return False
            target, dtype = shape_of(result.type)
            data = array_to_bits(np.broadcast_to(values[name], shape).transpose(order), dtype).reshape(target)
            self.tensors[result] = self.constant_view(data, target, dtype, source_at(op))
        return True

    # -- buffers -------------------------------------------------------------------------------------------------------
    def buffer_name(self, stem: str) -> str:
        self.buffer_count += 1
        return f"{stem}{self.buffer_count - 1}"

    def temporary(self, shape: tuple[int, ...], dtype: str, op: Any) -> Buffer:
        return Buffer(self.buffer_name("t"), shape, dtype, "temporary", None, source_at(op))

    def own(self, value: Any, buffer: Buffer) -> None:
        self.tensors[value] = views.of_buffer(buffer)
        self.owned[value] = buffer

    def settle(self, view: View, op: Any) -> View:
        """A view of a constant is a constant laid out anew; others stay views."""
        if view.fill_bits is not None:
            return view
        data = views.evaluate(view)
        return view if data is None else self.constant_view(data, view.shape, view.dtype, source_at(op))

    def copy(self, view: View, buffer: Buffer, indices: Any, op: Any) -> None:
        variables = [Variable(f"i{d}", size) for d, size in enumerate(view.shape)]
        at = [variable(v) for v in variables]
        body = _Body()
        value = self.read(body, view, at, op)
        store = Store(buffer, tuple(indices(at)), value, (), source_at(op))
        loops = tuple(Loop(v) for v in variables if v.extent > 1)
        self.nests.append(
            Nest(f"n{len(self.nests)}", loops, (Stage((), tuple(body.statements), (store,)),), (), source_at(op))
        )

    def materialise(self, view: View, op: Any) -> View:
        buffer = self.temporary(view.shape, view.dtype, op)
        self.copy(view, buffer, list, op)
        return views.of_buffer(buffer)

    def output(self, value: Any, name: str, op: Any) -> Buffer:
        """The result's own buffer: the one it was computed in where that is possible, else a copy."""
        view = self.tensors[value]
        buffer = view.reshape_of
        output = Buffer(name, view.shape, view.dtype, "output", None, buffer.source if buffer else None)
        if buffer is not None and buffer.kind == "temporary":
            self.nests = [replace_buffer(nest, buffer, output) for nest in self.nests]
            self.became[buffer] = output
            for tensor, held in list(self.tensors.items()):
                if held.reshape_of is buffer:
                    self.tensors[tensor] = views.reshape(views.of_buffer(output), held.shape)
            return output
        self.copy(view, output, list, op)
        return output


def replace_buffer(nest: Nest, old: Buffer, new: Buffer) -> Nest:
    """`nest` with every access to `old` made to `new`, which is the same data in another shape."""

    def moved(indices: tuple[Index, ...]) -> tuple[Index, ...]:
        return indices if old.shape == new.shape else tuple(delinearise(linearise(indices, old.shape), new.shape))

    stages = []
    for stage in nest.stages:
        statements = tuple(
            replace(s, buffer=new, indices=moved(s.indices)) if isinstance(s, Load) and s.buffer is old else s
            for s in stage.statements
        )
        stores = tuple(replace(s, buffer=new, indices=moved(s.indices)) if s.buffer is old else s for s in stage.stores)
        stages.append(replace(stage, statements=statements, stores=stores))
    return replace(nest, stages=tuple(stages))


def source_at(op: Any) -> Source | None:
    """The user's line of an operation."""
    found = source_of(op.location)
    return None if found is None else Source(found.file, found.line)


def _multiply_accumulates(body: _Body, carried: list[Carried]) -> int:
    """How many of the carried sums add a product in each iteration."""
    made = {s.result: s for s in body.statements if isinstance(s, Operation)}
    count = 0
    for item in carried:
        final = made.get(item.next)
        if final is not None and final.name == "arith.addf":
            count += any(made[name].name == "arith.mulf" for name in final.operands if name in made)
    return count


def _predicate(op: Any) -> str | None:
    if op.name == "arith.cmpf":
        return CMPF[int(op.attributes["predicate"].value)]
    if op.name == "arith.cmpi":
        return CMPI[int(op.attributes["predicate"].value)]
    return None


CMPF = (
    "false",
    "oeq",
    "ogt",
    "oge",
    "olt",
    "ole",
    "one",
    "ord",
    "ueq",
    "ugt",
    "uge",
    "ult",
    "ule",
    "une",
    "uno",
    "true",
)
CMPI = ("eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge")


def _slice(op: Any) -> tuple[list[int], list[int], list[int]]:
    return tuple([int(item) for item in op.attributes[f"static_{what}"]] for what in ("offsets", "sizes", "strides"))  # type: ignore


def _kept_dimensions(sizes: list[int], shape: tuple[int, ...]) -> list[int]:
    """Which dimensions of a slice remain in a rank-reduced tensor of `shape`: the others have size 1."""
    kept: list[int] = []
    surplus = len(sizes) - len(shape)
    for position, size in enumerate(sizes):
        wanted = shape[len(kept)] if len(kept) < len(shape) else None
        if surplus and size == 1 and (wanted != 1 or surplus > sum(s == 1 for s in sizes[position + 1 :])):
            surplus -= 1
        elif size == wanted:
            kept.append(position)
        else:
            surplus -= 1
    return kept


def _defined_by(value: Any, name: str) -> bool:
    owner = getattr(value, "owner", None)
    operation = getattr(owner, "operation", owner)
    return getattr(operation, "name", None) == name

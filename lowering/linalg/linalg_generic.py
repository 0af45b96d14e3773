"""A linalg.generic → a view where it only moves data, a constant where it computes with constants, else a loop nest.

Before:  %2 = linalg.generic {maps, iterators} ins(%x, %w) outs(%1) { mulf, addf }
After:   Kernel(loops = the iterators, parallel first; stage 0 carries the reduction from outs; stage 1 stores it)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch_mlir import ir

from torch2hw.dialects.loops import Carried, Constant, IndexValue, Load, Loop, Operation, Stage, Store
from torch2hw.dialects.number_types import Array, number_type
from torch2hw.dialects.operations import fold, operation_kind
from torch2hw.dialects.quasi_affine import Index, Variable, variable
from torch2hw.lowering.linalg import tensor_views as views
from torch2hw.lowering.linalg.linalg_region import operand as at_run_time
from torch2hw.lowering.linalg.linalg_region import translate
from torch2hw.lowering.linalg.mlir_attributes import affine_result, shape_of, source_at, type_name
from torch2hw.lowering.linalg.scalar_body import ScalarBody
from torch2hw.lowering.linalg.tensor_values import TensorValues
from torch2hw.lowering.linalg.tensor_views import View

MAX_INDEX_TABLE = 1 << 12
"""Elements of a tensor of indices up to which it is a table: what is computed from it is known, too."""


@dataclass(frozen=True)
class _Generic:
    """The operation taken apart. `maps` has one map for each operand, the last ones for `outs`."""

    op: Any
    maps: list[Any]
    kinds: list[str]
    operands: list[Any]
    input_count: int
    variables: list[Variable]

    @staticmethod
    def of(op: Any) -> _Generic:
        maps = [attribute.value for attribute in op.attributes["indexing_maps"]]
        kinds = [str(kind).split("<")[-1].rstrip(">") for kind in op.attributes["iterator_types"]]
        operands = list(op.operands)
        extents = [0] * len(kinds)  # the size of a dimension that the iterator alone indexes
        for operand, mapping in zip(operands, maps, strict=True):
            if not str(operand.type).startswith("tensor"):
                continue
            for result, size in zip(mapping.results, shape_of(operand.type)[0], strict=True):
                if isinstance(result, ir.AffineDimExpr):
                    extents[result.position] = size
        assert all(extents), f"{op.name}: an iterator that indexes no dimension by itself"
        variables = [Variable(f"i{d}", extent) for d, extent in enumerate(extents)]
        return _Generic(op, maps, kinds, operands, int(op.attributes["operandSegmentSizes"][0]), variables)

    @property
    def block(self) -> Any:
        return self.op.regions[0].blocks[0]

    @property
    def at(self) -> list[Index]:
        return [variable(v) for v in self.variables]

    @property
    def reducing(self) -> bool:
        return "reduction" in self.kinds

    @property
    def outs(self) -> list[tuple[Any, Any]]:
        """Every `outs` operand with its map."""
        return list(zip(self.operands, self.maps, strict=True))[self.input_count :]


def lower_generic(op: Any, values: TensorValues) -> None:
    """Lowers `op`, and enters its results in `values`."""
    generic = _Generic.of(op)
    body = ScalarBody()
    carried = _arguments(generic, body, values)
    yielded = translate(generic.block, body, generic.at, values)
    if generic.reducing or not (_forwarded(generic, values) or _folded(generic, body, yielded, values)):
        _emit(generic, body, yielded, carried, values)


def _arguments(generic: _Generic, body: ScalarBody, values: TensorValues) -> dict[int, str]:
    """Names the region's arguments in `body`; the names of carried values, by number in `outs`."""
    carried: dict[int, str] = {}
    for position, (operand, mapping) in enumerate(zip(generic.operands, generic.maps, strict=True)):
        argument = generic.block.arguments[position]
        if not list(argument.uses):
            continue
        if position >= generic.input_count and generic.reducing:
            carried[position - generic.input_count] = body.carried(type_name(argument.type))
            body.values[argument] = carried[position - generic.input_count]
        elif operand in values.scalars:
            body.values[argument] = body.constant(*values.scalars[operand])
        elif operand not in values.tensors:
            body.values[argument] = at_run_time(operand, body, values)
        else:
            at = [affine_result(result, generic.at) for result in mapping.results]
            body.values[argument] = values.read(body, values.tensors[operand], at, generic.op)
    return carried


def _forwarded(generic: _Generic, values: TensorValues) -> bool:
    """Enters a generic that only yields an input or a constant as a view: transposes, broadcasts, fills. Whether it is
    one."""
    outputs = [list(mapping.results) for _, mapping in generic.outs]
    if len(outputs) != 1 or not all(isinstance(result, ir.AffineDimExpr) for result in outputs[0]):
        return False
    order = [result.position for result in outputs[0]]
    if sorted(order) != list(range(len(generic.variables))):
        return False
    op, arguments = generic.op, list(generic.block.arguments)
    value = list(generic.block.operations)[-1].operands[0]
    shape, dtype = shape_of(op.results[0].type)
    origin = generic.operands[value.arg_number] if value in arguments else value
    if origin in values.scalars:
        values.tensors[op.results[0]] = views.fill(shape, dtype, values.scalars[origin][0])
        return True
    if origin not in values.tensors or value not in arguments or type_name(value.type) != dtype:
        return False
    mapping, source = generic.maps[value.arg_number], values.tensors[origin]

    def indices(at: list[Index]) -> list[Index]:
        placed = [at[order.index(d)] for d in range(len(order))]
        return [affine_result(result, placed) for result in mapping.results]

    straight = [affine_result(r, generic.at) for r in mapping.results] == [generic.at[d] for d in order]
    identity = shape == source.shape and straight
    values.tensors[op.results[0]] = source if identity else values.settle(views.remap(source, shape, indices), op)
    return True


def _folded(generic: _Generic, body: ScalarBody, yielded: list[str], values: TensorValues) -> bool:
    """Enters an elementwise operation on constants as a constant, unless it decodes codes. Whether it is one."""
    if any(isinstance(s, Operation) and _decodes(s) for s in body.statements):
        return False
    shape = tuple(v.extent for v in generic.variables)
    arrays = _evaluated(body, generic.variables)
    if arrays is None:
        return False
    for result, (_, mapping), name in zip(generic.op.results, generic.outs, yielded, strict=True):
        order = [r.position for r in mapping.results if isinstance(r, ir.AffineDimExpr)]
        if len(order) != len(mapping.results) or sorted(order) != list(range(len(generic.variables))):
            return False
        target, dtype = shape_of(result.type)
        data = number_type(dtype).bits_of(np.broadcast_to(arrays[name], shape).transpose(order)).reshape(target)
        values.tensors[result] = values.constant_view(data, target, dtype, source_at(generic.op))
    return True


def _decodes(operation: Operation) -> bool:
    """Whether it may be the first step from a code to the number that it stands for (`passes/read_codes`)."""
    return operation.name in ("arith.sitofp", "arith.uitofp") and operation.operand_types[0] == "i8"


def _evaluated(body: ScalarBody, variables: list[Variable]) -> dict[str, Array] | None:
    """Every value of `body` in all iterations; None if one is not constant."""
    found: dict[str, Array] = {}
    shape = tuple(v.extent for v in variables)
    for statement in body.statements:
        result: Array | None = None
        if isinstance(statement, Constant):
            result = number_type(statement.type).values_of(statement.bits).reshape(())
        elif isinstance(statement, IndexValue):
            small = int(np.prod(shape, dtype=np.int64)) <= MAX_INDEX_TABLE
            if small and not statement.index.variables() - {*variables}:
                grid = dict(zip(variables, np.indices(shape), strict=True))
                result = np.asarray(statement.index.evaluate(grid.__getitem__))
        elif isinstance(statement, Load):
            data = _loaded(statement, variables)
            result = None if data is None else number_type(statement.type).values_of(data)
        elif all(name in found for name in statement.operands):
            operands = [found[name] for name in statement.operands]
            result = fold(statement.name, operands, statement.operand_types, statement.type, statement.predicate)
        if result is None:
            return None
        found[statement.result] = result
    return found


def _loaded(load: Load, variables: list[Variable]) -> Array | None:
    """The bits that a load reads in all iterations, if they are constant."""
    if any(v not in variables for index in load.indices for v in index.variables()):
        return None

    def element(at: list[Index]) -> views.Element:
        places = dict(zip(variables, at, strict=True))
        indices, guard = (tuple(i.substitute(places) for i in each) for each in (load.indices, load.guard))
        return views.Element(load.buffer, indices, guard, load.otherwise_bits)

    return views.evaluate(View(tuple(v.extent for v in variables), load.type, element))


def _emit(
    generic: _Generic, body: ScalarBody, yielded: list[str], carried_names: dict[int, str], values: TensorValues
) -> None:
    """The loop nest."""
    source = source_at(generic.op)
    stores: dict[bool, list[Store]] = {False: [], True: []}  # by whether there is one in every iteration
    carried = []
    for number, ((out, mapping), value) in enumerate(zip(generic.outs, yielded, strict=True)):
        shape, dtype = shape_of(out.type)
        buffer = values.temporary(shape, dtype, generic.op)
        indices = [affine_result(result, generic.at) for result in mapping.results]
        if number in carried_names:
            init = values.read(body, values.tensors[out], indices, generic.op)
            carried.append(Carried(carried_names[number], dtype, init, value))
        if list(generic.op.results[number].uses):
            each = _indexed(mapping, generic.kinds)
            stores[each].append(Store(buffer, tuple(indices), value, (), source))
        values.own(generic.op.results[number], buffer)
    reduced = [v for v, kind in zip(generic.variables, generic.kinds, strict=True) if kind == "reduction"]
    loops = [Loop(v) for v in generic.variables if v not in reduced and v.extent > 1]
    macs = multiply_accumulates(body, carried) * int(np.prod([v.extent for v in generic.variables], dtype=np.int64))
    if not carried:
        stage = Stage((), tuple(body.statements), (*stores[True], *stores[False]))
        values.add_kernel([*loops, *(Loop(v) for v in reduced if v.extent > 1)], (stage,), source, macs)
        return
    stages = [Stage(tuple(carried), tuple(body.statements), tuple(stores[True]))]
    if stores[False]:
        stages.append(Stage((), (), tuple(stores[False])))
    long = [v for v in reduced if v.extent > 1] or reduced[:1]
    values.add_kernel([*loops, *(Loop(v, 0) for v in long)], tuple(stages), source, macs)


def _indexed(mapping: Any, kinds: list[str]) -> bool:
    """Whether the loop of a reduction is among the indices of a result: each iteration then has its own element, as in
    a scan."""
    positions = [result.position for result in mapping.results if isinstance(result, ir.AffineDimExpr)]
    return any(kinds[position] == "reduction" for position in positions)


def multiply_accumulates(body: ScalarBody, carried: list[Carried]) -> int:
    """How many of the carried sums add a product in each iteration."""
    made = {s.result: s for s in body.statements if isinstance(s, Operation)}
    count = 0
    for item in carried:
        final = made.get(item.next)
        if final is not None and operation_kind(final.name).accumulates:
            factors = (operation_kind(made[name].name) for name in final.operands if name in made)
            count += any(factor.multiplies for factor in factors)
    return count

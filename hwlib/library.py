"""The catalogue: from an MLIR operation and its types to a unit pipelined for the library's clock period."""

from __future__ import annotations

from dataclasses import dataclass, field

from .bits import Bits, Graph
from .delay_model import DelayModel
from .entries import ENTRIES, PORTS, Request, entry_for, unit_name
from .formats import integer_width, type_width
from .iterative import IterativeUnit, Parts, joined, state_inputs, unrolled
from .pipeliner import Pipeline, pipeline
from .shapes import SHAPES
from .unit import Unit

__all__ = ["ENTRIES", "SHAPES", "Library", "NoUnit"]

COMBINATIONAL_NS = 0.6  # a unit faster than this has no register of its own


class NoUnit(KeyError):
    """The library has no unit for an operation on these types."""

    def __init__(self, operation: str, operand_types: tuple[str, ...], result_type: str, predicate: str | None = None):
        what = f"{operation} {predicate}" if predicate else operation
        super().__init__(f"no unit for {what} ({', '.join(operand_types)}) -> {result_type}")
        self.operation = operation

    def __str__(self) -> str:
        return str(self.args[0])


INVERTIBLE = ("f32", "f16", "bf16")  # as float_reciprocal's tables are
NATIVE_FORMATS = ("f32", "f64")


@dataclass(frozen=True)
class Library:
    """Units for one clock period and subnormal policy (`flush` or `keep`)."""

    clock_ns: float = 3.33
    subnormals: str = "flush"
    delays: DelayModel = field(default_factory=DelayModel)
    _units: dict[tuple[object, ...], Unit] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        assert self.subnormals in ("flush", "keep"), self.subnormals

    def unit(
        self,
        operation: str,
        operand_types: tuple[str, ...],
        result_type: str,
        predicate: str | None = None,
        depth: int | None = None,
        shape: str = "pipelined",
    ) -> Unit:
        """The unit of an MLIR operation. `depth` forces the number of stages of a pipeline. An `iterative` one takes
        new operands every `interval_cycles` only, for less area (see iterative.py). NoUnit if there is none.
        """
        key = (operation, operand_types, result_type, predicate, depth, shape)
        if key not in self._units:
            if shape == "pipelined":
                self._units[key] = self._make(operation, operand_types, result_type, predicate, depth)
            else:
                self._units[key] = self._make_iterative(operation, operand_types, result_type, predicate, shape)
        return self._units[key]

    def _make_iterative(
        self, operation: str, operand_types: tuple[str, ...], result_type: str, predicate: str | None, shape: str
    ) -> IterativeUnit:
        missing = NoUnit(operation, operand_types, result_type, predicate)
        types = (*operand_types, result_type)
        entry = entry_for(operation, types)
        digits = SHAPES.index(shape)
        if entry is None or entry.iteration is None or digits > entry.digits:
            raise missing
        graph = Graph()
        names = entry.ports or PORTS[len(operand_types)]
        operands = tuple(graph.input(n, type_width(t)) for n, t in zip(names, operand_types, strict=True))
        try:
            flush = self.subnormals == "flush"
            request = Request(operation, operand_types, result_type, predicate, flush, operands, digits)
            iteration = entry.iteration(request)
        except KeyError:
            raise missing from None
        whole = unrolled(iteration, operands)
        state = state_inputs(graph, iteration)
        load, loaded = joined(iteration.load(operands))
        step, stepped = joined(iteration.step(state))
        before = 0 if self.path_ns(load) <= self.clock_ns - self.delays.register_ns - self.delays.gate_ns else None
        parts = Parts(
            pipeline(load, self.clock_ns, self.delays, before),
            loaded,
            pipeline(step, self.clock_ns, self.delays, 0),
            stepped,
            pipeline(iteration.result(state), self.clock_ns, self.delays),
            iteration.steps,
        )
        name = f"{unit_name(entry, operation, types, predicate)}_{shape}"
        native = entry.native and all(t in NATIVE_FORMATS for t in types)
        whole_schedule = Pipeline(whole, 0, {}, False)
        return IterativeUnit(
            name, operand_types, result_type, operands, whole_schedule, native, entry.error_ulp, parts=parts
        )

    def _make(
        self, operation: str, operand_types: tuple[str, ...], result_type: str, predicate: str | None, depth: int | None
    ) -> Unit:
        missing = NoUnit(operation, operand_types, result_type, predicate)
        types = (*operand_types, result_type)
        entry = entry_for(operation, types)
        if entry is None:
            raise missing
        graph = Graph()
        names = entry.ports or PORTS[len(operand_types)]
        operands = tuple(graph.input(n, type_width(t)) for n, t in zip(names, operand_types, strict=True))
        try:
            request = Request(operation, operand_types, result_type, predicate, self.subnormals == "flush", operands)
            output = entry.build(request)
        except KeyError:
            raise missing from None
        if depth is None and self._is_fast(output):
            depth = 0
        schedule = pipeline(output, self.clock_ns, self.delays, depth)
        if depth is None and schedule.depth < entry.stages:
            schedule = pipeline(output, self.clock_ns, self.delays, entry.stages)
        native = entry.native and all(integer_width(t) is not None or t in NATIVE_FORMATS for t in types)
        name = unit_name(entry, operation, types, predicate)
        return Unit(
            name, operand_types, result_type, operands, schedule, native, entry.error_ulp, entry.luts.get(types[-2])
        )

    def inverse(self, type_name: str) -> str | None:
        """The operation whose unit has the bits of 1 / x for less than a division, if there is one."""
        return "hwlib.rounded_reciprocal" if type_name in INVERTIBLE else None

    def _is_fast(self, output: Bits) -> bool:
        """Whether the whole unit is a gate or two (or wires), to be left combinational."""
        return self.path_ns(output) <= COMBINATIONAL_NS

    def path_ns(self, output: Bits) -> float:
        """The delay of the longest path through the combinational graph."""
        arrival: dict[int, float] = {}
        for node in output.graph.nodes[: output.index + 1]:
            start = max((arrival[o.index] for o in node.operands), default=0.0)
            arrival[node.index] = start + (self.delays.delay(node) if node.operands else 0.0)
        return arrival[output.index]

"""The record of one hardware unit: its ports, its timing, its hardware and its software model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from . import emit_comb, emit_model
from .bits import Bits
from .contents import Contents
from .formats import mlir_type
from .luts import estimated_luts
from .pipeliner import Pipeline


@dataclass(frozen=True)
class Port:
    """A port of a unit by name and width."""

    name: str
    width_bits: int


@dataclass(frozen=True)
class Unit:
    """A pipeline that accepts operands every `interval_cycles` cycle and gives the result `latency_cycles` cycles
    later.

    `error_ulp` bounds the distance to the exact result: 0.5 is correctly rounded, 0 an exact operation. `native`
    says that the CPU's own operation gives the same bits (under FTZ|DAZ where the unit flushes), so that no model is
    needed.
    """

    name: str
    operand_types: tuple[str, ...]
    result_type: str
    operands: tuple[Bits, ...] = field(repr=False)
    schedule: Pipeline = field(repr=False)
    native: bool
    error_ulp: float = 0.0
    measured_luts: int | None = None

    @property
    def inputs(self) -> tuple[Port, ...]:
        """The data ports, in the order of the operands."""
        return tuple(Port(str(o.attribute), o.width) for o in self.operands)

    @property
    def controls(self) -> tuple[Port, ...]:
        """Inputs beside the operands, such as the `start` of an iterative unit."""
        return ()

    @property
    def output(self) -> Port:
        """The port of the result, called `out`."""
        return Port("out", self.schedule.output.width)

    @property
    def latency_cycles(self) -> int:
        """Cycles from operands to result; 0 is combinational."""
        return self.schedule.depth

    @property
    def interval_cycles(self) -> int:
        """Cycles from one set of operands to the next: 1, for a pipeline."""
        return 1

    @property
    def contents(self) -> Mapping[str, Contents]:
        """None beside the text: the tables of a unit stand in it."""
        return {}

    @cached_property
    def luts(self) -> int:
        """LUTs of an UltraScale+ device: what Yosys measured, where it did, else an estimate (luts.py)."""
        return estimated_luts(self.schedule.output) if self.measured_luts is None else self.measured_luts

    @cached_property
    def _definition(self) -> str:
        return emit_comb.emit(self.name, list(self.operands), self.schedule)

    def definition(self) -> str:
        """One `hw.module` as CIRCT text."""
        return self._definition

    def model(self) -> str | None:
        """The software model as upstream-MLIR text, or None where the CPU's own operation has the same bits."""
        return None if self.native else self.software()

    def software(self) -> str:
        """The graph as upstream-MLIR text, whether the CPU needs it or not."""
        typed = [(o, mlir_type(t)) for o, t in zip(self.operands, self.operand_types, strict=True)]
        return emit_model.emit(self.name, typed, self.schedule.output, mlir_type(self.result_type))

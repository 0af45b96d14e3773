"""The pipeline of one kernel's component: which value, index and flag of an iteration is on which wire, and when.

Iterations enter the pipeline at issue, one every `interval_cycles`. *Cycle* c of an iteration is c cycles after its
issue. Values, indices and flags that are needed later than they are ready are delayed by registers; what is needed in a
stage that runs in few iterations has one register for that.
"""

from __future__ import annotations

from torch2hw.analysis.modulo_schedule import runs_apart
from torch2hw.dialects.calyx_builder import ComponentBuilder, Wire
from torch2hw.dialects.loops import Kernel
from torch2hw.dialects.quasi_affine import Index
from torch2hw.lowering.static.index_streams import IndexStreams

SHORTEST_LINE = 3  # cycles of a delay for which synthesis makes shift registers, of a LUT for each bit


class KernelPipeline:
    """`values`: by name, the wire of a value and the cycle in which it is ready. `valids`: the valid bit by cycle, as
    far as it was asked for. `indices` are the counters; `KernelComponent` makes them."""

    indices: IndexStreams

    def __init__(self, component: ComponentBuilder, kernel: Kernel) -> None:
        self.component, self.kernel, self.schedule = component, kernel, kernel.plan
        self.values: dict[str, tuple[Wire, int]] = {}
        self.valids: list[Wire] = []
        self.selects: dict[str, Wire] = {}
        self.registers: dict[tuple[Wire, int, int], Wire] = {}

    def at(self, name: str, cycle: int) -> Wire:
        """The value `name` of the iteration that is in its cycle `cycle`."""
        wire, ready = self.values[name]
        assert cycle >= ready or self.is_constant(wire), (
            f"{self.component.name}: {name} is wanted in {cycle}, ready in {ready}"
        )
        return wire if self.is_constant(wire) else self.component.delayed(wire, cycle - ready)

    def at_in(self, stage: int, name: str, cycle: int) -> Wire:
        """The value `name` where only `stage` needs it: of the last iteration in which that ran."""
        wire, ready = self.values[name]
        return self.kept(wire, stage, ready, cycle)

    def stream_in(self, stage: int, index: Index, width: int, cycle: int) -> Wire:
        """An index where only `stage` needs it, likewise."""
        return self.kept(self.indices.value(index, width), stage, 0, cycle)

    def kept(self, wire: Wire, stage: int, ready: int, cycle: int) -> Wire:
        """A wire of cycle `ready` of an iteration in which `stage` runs, in cycle `cycle`: in one register until the
        stage runs again, if that is late enough, and in a delay line otherwise."""
        apart = runs_apart(self.kernel, stage) * self.schedule.interval_cycles
        if cycle - ready < SHORTEST_LINE or cycle - ready > apart or self.is_constant(wire):
            return self.component.delayed(wire, cycle - ready)
        key = wire, stage, ready
        if key not in self.registers:
            register = self.component.register(wire.name.strip("%").split(".")[0] + "_kept", wire.width)
            self.component.assign(register.data, wire)
            self.component.assign(register.enable, self.runs(stage, ready))
            self.registers[key] = register.out
        return self.registers[key]

    def is_constant(self, wire: Wire) -> bool:
        """Whether a wire is one of the component's constants."""
        return wire.name.startswith("%k") and wire in self.component.constants.values()

    def valid(self, cycle: int) -> Wire:
        """The valid bit of the iteration that is in its cycle `cycle`; its registers have a reset, so that nothing is
        stored after one."""
        while len(self.valids) <= cycle:
            register = self.component.register(f"valid{len(self.valids)}", 1)
            self.component.assign(register.data, self.valids[-1])
            self.component.assign(register.enable, self.component.constant(1, 1))
            self.valids.append(register.out)
        return self.valids[cycle]

    def select_port(self, *cycles: int) -> str:
        """The name of an output that is high in these cycles of every iteration."""
        name = "in_" + "_".join(map(str, cycles))
        if name not in self.selects:
            flag = self.valid(cycles[0])
            for cycle in cycles[1:]:
                flag = self.component.operator("or", flag, self.valid(cycle))
            self.selects[name] = self.component.output(name, 1)
            self.component.assign(self.selects[name], flag)
        return name

    def stream_at(self, index: Index, width: int, cycle: int) -> Wire:
        """An index of the iteration that is in its cycle `cycle`."""
        return self.component.delayed(self.indices.value(index, width), cycle)

    def flag_at(self, flag: Wire, cycle: int) -> Wire:
        """A flag of the counters, for the iteration that is in its cycle `cycle`."""
        return self.component.delayed(flag, cycle)

    def runs(self, stage: int, cycle: int) -> Wire:
        """High if `stage` runs in the iteration that is in its cycle `cycle`."""
        ended = [loop for loop in self.kernel.loops if loop.reduced_by is not None and loop.reduced_by < stage]
        flags = [self.flag_at(self.indices.all_at(ended, last=True), cycle)] if ended else []
        flags += [self.flag_at(self.indices.at_least_zero(index), cycle) for index in self.kernel.domain]
        flags = [flag for flag in flags if flag != self.component.constant(1, 1)]
        return self.component.conjunction(self.valid(cycle), *flags)

"""Addresses and guards of a kernel, in every iteration, against the index expressions that they are made of."""

from __future__ import annotations

from itertools import product

import pytest

from tests.lowering.datapath import Datapath
from torch2hw.dialects.calyx_builder import ComponentBuilder, ModuleBuilder
from torch2hw.dialects.loops import Loop
from torch2hw.dialects.quasi_affine import Index, Variable, variable
from torch2hw.lowering.static.index_streams import IndexStreams

WIDTH = 7


def indices(variables: list[Variable]) -> list[Index]:
    """Sums with strides that overlap, are apart, are negative or are no powers of two, and with offsets."""
    strides = {2: (0, 1, 2, 3, 4, 8, -1), 3: (1, 2, 4, -3)}[len(variables)]
    found = []
    for number, chosen in enumerate(product(strides, repeat=len(variables))):
        index = Index((), (0, 5, 8, -2)[number % 4])
        for stride, item in zip(chosen, variables, strict=True):
            index = index + variable(item) * stride
        found.append(index)
    total = found[-1]
    divided = [total.floordiv(3) * 6, (total * 25).floordiv(7) * 3, total.remainder(3) * 5]
    return [*found, *divided, *(variable(v).remainder(2) * 3 + 1 for v in variables)]


def guards(variables: list[Variable]) -> list[Index]:
    one = [variable(item) * step + offset for item in variables for step in (1, -1, 2, -2) for offset in range(-4, 5)]
    return [*one, *(variable(variables[0]) * step - variable(variables[1]) + k for step in (1, 2) for k in (-2, 0, 1))]


@pytest.mark.parametrize("extents", [(3, 4), (5, 2), (2, 3, 2)], ids=str)
def test_streams_follow_their_indices(extents: tuple[int, ...]) -> None:
    variables = [Variable(f"i{d}", extent) for d, extent in enumerate(extents)]
    component = ComponentBuilder(ModuleBuilder("streams"), "streams")
    group = component.static_group("issue", 1)
    streams = IndexStreams(component, tuple(map(Loop, variables)), group, None)
    values, flags = indices(variables), guards(variables)
    for number, index in enumerate(values):
        component.assign(component.output(f"value{number}", WIDTH), streams.value(index, WIDTH))
    for number, index in enumerate(flags):
        component.assign(component.output(f"flag{number}", 1), streams.at_least_zero(index))
    iterations = list(product(*map(range, extents)))
    component.control = [f"calyx.static_repeat {2 * len(iterations)} {{ calyx.enable @issue }}"]
    machine = Datapath(component)
    for at in iterations + iterations:  # the second time, they went back to the start by themselves
        place = dict(zip(variables, at, strict=True))
        outputs = machine.cycle({"go": 1, "clk": 0, "reset": 0})
        for number, index in enumerate(values):
            assert outputs[f"value{number}"] == index.evaluate(place.__getitem__) % (1 << WIDTH), f"{index} at {at}"
        for number, index in enumerate(flags):
            assert outputs[f"flag{number}"] == (index.evaluate(place.__getitem__) >= 0), f"{index} ≥ 0 at {at}"

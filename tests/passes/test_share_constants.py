"""Constants beside the units that they feed: the values stay, and no multiplexer is left where two kernels take
turns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tests.lowering.test_scf_to_calyx import program_of
from tests.passes.compiled import LIBRARY, LOOP_PASSES, context
from torch2hw.analysis.lane_costs import rom_cost
from torch2hw.analysis.reference import Reference
from torch2hw.dialects.loops import Load, Operation
from torch2hw.dialects.program import Program
from torch2hw.dialects.storage import SHARED_ROM
from torch2hw.passes.share_constants import ShareConstants
from torch2hw.sim.banked import pack


def before_and_after(model: nn.Module, shape: tuple[int, ...], partition: int) -> tuple[Program, Program]:
    torch.manual_seed(0)
    program = program_of(model, shape, "network")
    for step in LOOP_PASSES:
        given = program
        program, _ = step.run(program, context(partition))  # type: ignore[arg-type]
        if isinstance(step, ShareConstants):
            return given, program
    raise AssertionError("the pass is not in the pipeline")


def network(*sizes: int, padding: int = 0) -> nn.Module:
    if padding:
        return nn.Sequential(nn.Conv2d(2, 3, 3, padding=padding), nn.ReLU(), nn.Conv2d(3, 2, 3, padding=padding))
    return nn.Sequential(nn.Linear(*sizes[:2]), nn.ReLU(), nn.Linear(*sizes[1:]))


@pytest.mark.parametrize("partition", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1])
def test_values_stay(partition: int, padding: int) -> None:
    shape = (1, 2, 5, 7) if padding else (5, 6)
    given, shared = before_and_after(network(6, 7, 4, padding=padding), shape, partition)
    assert [buffer for buffer in shared.buffers() if buffer.storage == SHARED_ROM]
    inputs = [np.random.default_rng(1).standard_normal(shape).astype(np.float32)]
    packed = [pack(array, buffer.bank_factors) for array, buffer in zip(inputs, given.inputs, strict=True)]
    for old, new in zip(Reference(given.text()).run(packed), Reference(shared.text()).run(packed), strict=True):
        assert old.tobytes() == new.tobytes()


def test_no_lane_is_left_with_two_constants() -> None:
    _, shared = before_and_after(network(6, 8, 4), (4, 6), 2)
    for kernel in shared.kernels:
        loads: dict[str, Load] = {load.result: load for load in kernel.loads()}
        factors = [
            loads[name].buffer.storage
            for operation in kernel.statements()
            if isinstance(operation, Operation) and operation.name == "arith.mulf"
            for name in operation.operands
            if loads[name].buffer.data is not None
        ]
        assert factors == [SHARED_ROM] * 4


def test_every_part_starts_at_its_own_size() -> None:
    _, shared = before_and_after(network(6, 7, 4), (5, 6), 1)
    (table,) = (buffer for buffer in shared.buffers() if buffer.storage == SHARED_ROM)
    assert table.shape == (64 + 28,)  # 42 words, and 28 from a multiple of 32 on
    (load,) = (load for load in shared.kernels[1].loads() if load.buffer is table)
    assert [index.constant for index in load.indices] == [64]


def test_block_rams_do_not_become_more() -> None:
    """3072 words are three block RAMs with none to spare, and 192 words are LUTs."""
    given, shared = before_and_after(network(64, 48, 4), (2, 64), 1)
    assert shared is given
    assert rom_cost(3072 + 192, 32)[1] > rom_cost(3072, 32)[1] + rom_cost(192, 32)[1]


def test_units_that_are_not_shared_share_no_constants() -> None:
    given, _ = before_and_after(network(6, 7, 4), (5, 6), 2)
    alone = context(2)
    alone.options = type(alone.options)(partition=2, share_units=False)
    assert ShareConstants().run(given, alone)[0] is given
    assert LIBRARY is alone.library

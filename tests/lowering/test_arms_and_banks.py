"""The sequential schedule with arms and banks: bit-exact and as long as predicted in every variant."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from tests.lowering.test_scf_to_calyx import MODELS, program_of
from torch2hw.analysis.reference import Reference
from torch2hw.compiler.options import BANKINGS, CONTROLS, Options
from torch2hw.dialects import calyx, calyx_reader
from torch2hw.dialects.calyx_program import Component, Control, If, Parallel, Repeat, Sequence
from torch2hw.dialects.loops import Buffer
from torch2hw.dialects.memref_text import banked_data
from torch2hw.dialects.program import Program
from torch2hw.dialects.storage import ROM
from torch2hw.hwlib.contents import fill_verilog
from torch2hw.hwlib.library import Library
from torch2hw.lowering.hardware import calyx_to_hw, hw_to_sv
from torch2hw.lowering.manifest import sequential_manifest
from torch2hw.lowering.sequential import affine_to_scf, scf_to_calyx
from torch2hw.lowering.sequential.scf_to_calyx import SequentialProgram
from torch2hw.passes.bind_units import BindUnits
from torch2hw.passes.choose_arms import ChooseArms
from torch2hw.passes.fuse_epilogues import FuseEpilogues
from torch2hw.passes.name_kernels import NameKernels
from torch2hw.passes.remove_dead_code import RemoveDeadCode
from torch2hw.sim.banked import pack, unpack
from torch2hw.sim.manifest import Manifest
from torch2hw.sim.simulation import Conditions, simulate
from torch2hw.tools.errors import UsageError

LIBRARY = Library()


class Network(nn.Module):
    """A layer whose sums the next one reads along the arms: banks that are no constants."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.net(x)
        return result


def with_arms(model: nn.Module, shape: tuple[int, ...], name: str, partition: int, control: str) -> Program:
    options = Options(partition=partition, schedule="sequential", sequential_control=control)
    context = SimpleNamespace(options=options, library=LIBRARY)
    program = program_of(model, shape, name)
    for step in (FuseEpilogues(), RemoveDeadCode(), NameKernels(), ChooseArms()):
        program, _ = step.run(program, context)
    return program


def reference(program: Program, inputs: list[np.ndarray]) -> list[np.ndarray]:
    bound = BindUnits().run(program, SimpleNamespace(library=LIBRARY))[0]
    given = [pack(array, buffer.bank_factors) for array, buffer in zip(inputs, program.inputs, strict=True)]
    found = Reference(bound.text()).run(given)
    return [unpack(a, b.shape, b.bank_factors) for a, b in zip(found, program.outputs, strict=True)]


@pytest.mark.slow
@pytest.mark.simulation
@pytest.mark.parametrize(
    ("name", "partition", "banking", "control"),
    [
        ("network", 2, "naive", "arms"),
        ("network", 3, "naive", "shared"),
        ("convolution", 2, "dimension", "arms"),
        ("attention", 2, "dimension", "shared"),
    ],
)
def test_bit_exact_and_as_long_as_predicted(
    name: str, partition: int, banking: str, control: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    kind, arguments, shape = (Network, (), (3, 6)) if name == "network" else MODELS[name]
    program = with_arms(kind(*arguments), shape, name, partition, control)
    assert sum(kernel.lanes for kernel in program.kernels) > 4
    sequential = scf_to_calyx.lower(affine_to_scf.lower(program, LIBRARY, banking), LIBRARY)
    verilog = hw_to_sv.export(calyx_to_hw.lower(sequential.calyx, sequential.definitions))
    (tmp_path / "out.sv").write_text(fill_verilog(verilog, sequential.contents))
    manifest = Manifest.from_json(sequential_manifest(sequential, "test", ["out.sv"], []))
    inputs = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    ran = simulate(tmp_path, manifest, [[inputs]], Conditions(repeats=2, abandon_cycles=(3, 50)))
    assert ran.cycles == [[sequential.latency_cycles] * 2]
    for expected, found in zip(reference(program, [inputs]), ran.outputs[0], strict=True):
        assert expected.tobytes() == found.tobytes()


def lowered(banking: str, control: str) -> SequentialProgram:
    torch.manual_seed(0)
    program = with_arms(nn.Linear(6, 8), (6, 6), "dense", 2, control)
    return scf_to_calyx.lower(affine_to_scf.lower(program, LIBRARY, banking), LIBRARY)


def core_of(sequential: SequentialProgram) -> Component:
    return calyx_reader.read(calyx.verified(sequential.calyx)).components["core"]


def parts(control: Control) -> list[Control]:
    match control:
        case Sequence(children) | Parallel(children):
            return [control, *(part for child in children for part in parts(child))]
        case Repeat(_, body):
            return [control, *parts(body)]
        case If(_, _, then, otherwise):
            return [control, *parts(then), *parts(otherwise)]
    return [control]


def test_one_controller_for_all_arms() -> None:
    shared, arms = (core_of(lowered("dimension", control)) for control in CONTROLS)
    loops = [sum(isinstance(part, Repeat) for part in parts(core.control)) for core in (shared, arms)]
    assert loops == [3, 12]  # three loops, and three in each of four arms
    assert 2 * len(shared.groups) < len(arms.groups)
    multipliers = [sum(cell.kind == "ieee754.mul" for cell in core.cells.values()) for core in (shared, arms)]
    assert multipliers == [4, 4]


def test_only_naive_banking_asks_for_the_bank() -> None:
    found = {banking: core_of(lowered(banking, "arms")) for banking in BANKINGS}
    conditions = {name: sum(isinstance(p, If) for p in parts(core.control)) for name, core in found.items()}
    assert conditions["dimension"] == 0
    assert conditions["naive"] > 4


def test_constants_in_banks_are_where_the_host_would_put_them() -> None:
    data = np.arange(3 * 5, dtype=np.uint32).reshape(3, 5)
    buffer = Buffer("w", (3, 5), "f32", ROM, data, factors=(2, 3))
    assert np.array_equal(banked_data(buffer), pack(data, (2, 3)))


def test_variants_belong_to_the_sequential_schedule() -> None:
    with pytest.raises(UsageError, match="not for the static schedule"):
        Options(sequential_banking="naive")
    with pytest.raises(UsageError, match="--sequential-control both: unknown"):
        Options(schedule="sequential", sequential_control="both")

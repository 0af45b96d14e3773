"""The sequential schedule: bit-exact with its reference, and as long as `sequential_latency` says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from torch2hw.analysis.reference import Reference
from torch2hw.dialects.loops import Buffer, Kernel, Load, Loop, Operation, Stage, Store
from torch2hw.dialects.plain_loop_text import plain_loop_text
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Variable, constant, variable
from torch2hw.dialects.storage import INPUT, OUTPUT, ROM
from torch2hw.frontend.load_model import LoadedModel
from torch2hw.frontend.locations import Sources
from torch2hw.frontend.torch_to_linalg import export
from torch2hw.hwlib.contents import fill_verilog
from torch2hw.hwlib.library import Library
from torch2hw.lowering.hardware import calyx_to_hw, hw_to_sv
from torch2hw.lowering.linalg import linalg_to_affine
from torch2hw.lowering.manifest import sequential_manifest
from torch2hw.lowering.sequential import affine_to_scf, scf_to_calyx
from torch2hw.passes.bind_units import BindUnits
from torch2hw.sim.manifest import Manifest
from torch2hw.sim.simulation import Conditions, simulate


class Convolution(nn.Module):
    """The shape of the paper's CNN, and a padded convolution: conditions on loop indices."""

    def __init__(self, padding: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(2, 3, 3, padding=padding)
        self.pool = nn.MaxPool2d((2, 3))
        self.last = nn.Linear(3 * (2 if padding else 1) * (3 if padding else 2), 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.flatten(self.pool(torch.relu(self.convolution(x))), 1))


class Attention(nn.Module):
    """One head with a softmax: division, exponential, maximum."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(3, 3) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = self.query(x) @ self.key(x).transpose(-1, -2) / 3**0.5
        return torch.softmax(scores, -1) @ self.value(x)


MODELS: dict[str, tuple[type[nn.Module], tuple[Any, ...], tuple[int, ...]]] = {
    "dense": (nn.Linear, (5, 3), (2, 5)),
    "convolution": (Convolution, (0,), (1, 2, 4, 9)),
    "padded": (Convolution, (1,), (1, 2, 4, 9)),
    "attention": (Attention, (), (4, 3)),
}


def program_of(model: nn.Module, shape: tuple[int, ...], name: str) -> Program:
    place = Path(__file__)
    sources = Sources(place.parent, place.parent)
    return linalg_to_affine.lower(
        export(LoadedModel(model.eval(), (torch.zeros(shape),), str(place), name, sources)), name
    )


def test_what_is_read_of_a_constant_at_constant_indices_stands_in_the_core() -> None:
    """As it would if CIRCT saw the constant; what is read in a loop is a memory's."""
    loop = Variable("i", 3)
    i = variable(loop)
    x, y = Buffer("x", (3,), "f32", INPUT), Buffer("y", (3,), "f32", OUTPUT)
    bits = np.arange(1, 7, dtype=np.float32).view(np.uint32).reshape(2, 3)
    weight = Buffer("weights0", (2, 3), "f32", ROM, bits)
    statements = (
        Load("a", "f32", x, (i,)),
        Load("b", "f32", weight, (constant(0), i)),
        Load("c", "f32", weight, (constant(1), constant(2))),
        Operation("d", "f32", "arith.mulf", ("a", "b"), ("f32", "f32")),
        Operation("e", "f32", "arith.addf", ("d", "c"), ("f32", "f32")),
    )
    kernel = Kernel("n0", (Loop(loop),), (Stage((), statements, (Store(y, (i,), "e"),)),))
    core = affine_to_scf.lower(Program.of("corner", [x], [y], [kernel]), Library())
    assert "6.000000e+00 : f32" in core.text()
    assert core.text().count("memref.load") == 2, "the input and the weight in the loop"
    (held,) = [memory for memory in core.memories if memory.storage.has_contents]
    assert held.contents is not None and list(held.contents.view(np.float32)) == [1, 2, 3, 4, 5, 6]


@pytest.mark.slow
@pytest.mark.simulation
@pytest.mark.parametrize("name", MODELS)
def test_bit_exact_and_as_long_as_predicted(name: str, tmp_path: Path) -> None:
    kind, arguments, shape = MODELS[name]
    torch.manual_seed(0)
    library = Library()
    program = program_of(kind(*arguments), shape, name)
    sequential = scf_to_calyx.lower(affine_to_scf.lower(program, library), library)
    verilog = hw_to_sv.export(calyx_to_hw.lower(sequential.calyx, sequential.definitions))
    (tmp_path / "out.sv").write_text(fill_verilog(verilog, sequential.contents))
    manifest = Manifest.from_json(sequential_manifest(sequential, "test", ["out.sv"], []))
    source = np.random.default_rng(1)
    sets = [[source.standard_normal(shape).astype(np.float32)] for _ in range(2)]
    ran = simulate(tmp_path, manifest, sets, Conditions(repeats=2, abandon_cycles=(3, 50)))
    assert ran.cycles == [[sequential.latency_cycles] * 2] * 2

    class Bound:
        """What bind-units asks of its context."""

    bound = Bound()
    bound.library = library  # type: ignore[attr-defined]
    reference = Reference(BindUnits().run(program, bound)[0].text())
    for inputs, found in zip(sets, ran.outputs, strict=True):
        assert [array.tobytes() for array in reference.run(inputs)] == [array.tobytes() for array in found]


def test_plain_loops_compute_what_the_program_does() -> None:
    torch.manual_seed(0)
    program = program_of(Convolution(0), (1, 2, 4, 9), "small")
    text = plain_loop_text(program)
    assert "affine.if" not in text
    inputs = [np.random.default_rng(2).standard_normal((1, 2, 4, 9)).astype(np.float32)]
    assert np.array_equal(Reference(text).run(inputs)[0], Reference(program.text()).run(inputs)[0])

"""The linalg program: names and order of its border, nested structures, source locations, no f64."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from torch2hw.frontend.load_model import load
from torch2hw.frontend.locations import SourceLocation, layer_of, source_of
from torch2hw.frontend.torch_to_linalg import TorchProgram, export

Export = Callable[[str, str], TorchProgram]


@pytest.fixture
def exported(tmp_path: Path) -> Export:
    """Export a model given the rest of its class and its example inputs."""

    def run(body: str, inputs: str) -> TorchProgram:
        source = f"import torch\nfrom torch import nn\nclass Net(nn.Module):\n{textwrap.indent(body, '    ')}\n"
        path = tmp_path / "net.py"
        path.write_text(f"{source}model = Net()\nexample_inputs = ({inputs},)\n")
        return export(load(str(path)))

    return run


def border(program: TorchProgram) -> tuple[list[str], list[str]]:
    show = [[f"{i.name}: {i.dtype}{list(i.shape)}" for i in side] for side in (program.inputs, program.outputs)]
    return show[0], show[1]


def results(program: TorchProgram) -> str:
    found = re.search(r"^    return (.*?) :", program.module.operation.get_asm(), re.MULTILINE)
    assert found is not None
    return found.group(1)


def test_a_tensor_and_a_scalar(exported: Export) -> None:
    program = exported("def forward(self, x, scale): return x * scale", "torch.randn(2, 3), torch.tensor(2.0)")
    assert border(program) == (["x: f32[2, 3]", "scale: f32[]"], ["out: f32[2, 3]"])


def test_nested_inputs_and_outputs(exported: Export) -> None:
    body = "def forward(self, x, state, *more): return {'sum': x + state['h'], 'rest': [more[0], (more[1][0],)]}"
    program = exported(body, "torch.ones(2), {'h': torch.ones(2)}, torch.ones(3), [torch.ones(4)]")
    assert border(program) == (
        ["x: f32[2]", "state_h: f32[2]", "arg_2: f32[3]", "arg_3_0: f32[4]"],
        ["sum: f32[2]", "rest_0: f32[3]", "rest_1_0: f32[4]"],
    )
    assert program.output_structure.build([1, 2, 3]) == {"sum": 1, "rest": [2, (3,)]}


def test_what_is_no_tensor_is_a_constant(exported: Export) -> None:
    body = "def forward(self, x, factor, unused=None): return x * factor, None, 3, 'text'"
    program = exported(body, "torch.ones(2), 5, None")
    assert border(program) == (["x: f32[2]"], ["out0: f32[2]"])
    assert program.output_structure.build(["y"]) == ("y", None, 3, "text")


def test_names_are_legal_and_unique(exported: Export) -> None:
    body = "def forward(self, reg, clk, out): return {'out': reg + 1, 'a b': clk + 1, 'a-b': out + 1, 'größe': reg}"
    inputs, outputs = border(exported(body, "torch.ones(1), torch.ones(1), torch.ones(1)"))
    assert inputs == ["reg_1: f32[1]", "clk_1: f32[1]", "out: f32[1]"]
    assert outputs == ["out_1: f32[1]", "a_b: f32[1]", "a_b_1: f32[1]", "gr_e: f32[1]"]


@pytest.mark.parametrize(
    ("dtype", "stored"),
    [("int64", "i64"), ("int32", "i32"), ("int16", "i16"), ("int8", "i8"), ("uint8", "u8"), ("bool", "i1")],
)
def test_integers_keep_their_width(exported: Export, dtype: str, stored: str) -> None:
    program = exported("def forward(self, x): return x, x == 1", f"torch.ones(3, dtype=torch.{dtype})")
    assert border(program) == ([f"x: {stored}[3]"], [f"out0: {stored}[3]", "out1: i1[3]"])


def test_results_that_are_inputs_constants_or_twice_the_same(exported: Export) -> None:
    body = "def forward(self, x):\n    y = x + 1\n    return y, x, y, torch.ones(3), y"
    values = results(exported(body, "torch.randn(3)")).split(", ")
    assert values[1] == "%arg0"
    assert values[0] == values[2] == values[4]
    assert values[3].startswith("%cst")


def test_an_input_changed_in_place_is_no_output(exported: Export) -> None:
    program = exported("def forward(self, x): return nn.functional.relu(x, inplace=True)", "torch.randn(3)")
    assert border(program) == (["x: f32[3]"], ["out: f32[3]"])
    assert "," not in results(program)


def test_no_f64_where_the_user_asked_for_none(exported: Export) -> None:
    program = exported("def forward(self, x): return nn.functional.layer_norm(x, (8,)) * 0.1", "torch.randn(2, 8)")
    assert "f64" not in program.text()


def test_weights_with_nan_and_infinity_are_carried(exported: Export) -> None:
    body = """
def __init__(self):
    super().__init__()
    self.w = nn.Parameter(torch.tensor([float('nan'), float('inf'), 1.0]))
def forward(self, x): return x * self.w
"""
    assert "0000C07F0000807F0000803F" in exported(body, "torch.randn(3)").text()


def places(program: TorchProgram) -> dict[str, tuple[SourceLocation | None, str | None]]:
    """The place and layer of the last operation of each kind."""
    found = {}
    for operation in program.module.body.operations[0].body.blocks[0].operations:
        found[operation.operation.name] = source_of(operation.location), layer_of(operation.location)
    return found


def test_locations_are_the_users_lines_and_layers(exported: Export) -> None:
    body = """
def __init__(self):
    super().__init__()
    self.block = nn.Sequential(nn.Linear(4, 4))
def forward(self, x):
    y = self.block(x)
    return y.max(-1)[0]
"""
    program = exported(body, "torch.randn(2, 4)")
    found = places(program)
    assert found["linalg.matmul"] == (SourceLocation("net.py", 9), "block.0")
    assert found["linalg.generic"] == (SourceLocation("net.py", 10), None)
    assert "site-packages" not in program.text()


def test_a_layer_without_user_code_is_where_it_was_constructed(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(
        "import torch\nfrom torch import nn\nmodel = nn.Sequential(\n    nn.Linear(4, 3),\n    nn.Linear(3, 2),\n)\n"
        "example_inputs = torch.randn(1, 4)\n"
    )
    assert places(export(load(str(path))))["linalg.matmul"] == (SourceLocation("net.py", 5), "1")


def test_text_does_not_depend_on_the_folder(tmp_path: Path) -> None:
    texts = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "net.py"
        path.write_text("import torch\nmodel = torch.nn.Linear(2, 2)\nexample_inputs = torch.randn(1, 2)\n")
        texts.append(export(load(str(path))).text())
    assert texts[0] == texts[1]


def test_warnings_of_third_parties_are_not_shown(exported: Export, recwarn: pytest.WarningsRecorder) -> None:
    exported(
        "def forward(self, x):\n    import warnings\n    warnings.simplefilter('ignore')\n    return x + 1",
        "torch.ones(1)",
    )
    assert not recwarn.list
    assert torch.is_grad_enabled()

"""Finding the model: each way that the contract names, and what the file's execution may touch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from torch2hw.frontend.load_model import load

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x):
        return self.layer(x)
"""


def write(folder: Path, text: str, name: str = "net.py") -> str:
    path = folder / name
    path.write_text(NET + text)
    return str(path)


@pytest.mark.parametrize("inputs", ["torch.ones(1, 4)", "(torch.ones(1, 4),)", "[torch.ones(1, 4)]"])
def test_globals(tmp_path: Path, inputs: str) -> None:
    loaded = load(write(tmp_path, f"model = Net().train()\nexample_inputs = {inputs}\n"))
    assert not loaded.model.training
    assert [tensor.shape for tensor in loaded.example_inputs] == [(1, 4)]
    assert loaded.top == "net"


def test_functions(tmp_path: Path) -> None:
    functions = "def get_model():\n    return Net()\ndef get_sample_input():\n    return torch.ones(3, 4)\n"
    loaded = load(write(tmp_path, functions))
    assert loaded.example_inputs[0].shape == (3, 4)


def test_globals_come_before_functions(tmp_path: Path) -> None:
    both = "model, example_inputs = Net(), torch.ones(1, 4)\ndef get_model(): 1 / 0\ndef get_sample_input(): 1 / 0\n"
    assert load(write(tmp_path, both)).example_inputs[0].shape == (1, 4)


def test_a_model_of_one_convention_with_inputs_of_the_other(tmp_path: Path) -> None:
    mixed = "def get_model():\n    return Net()\nexample_inputs = torch.ones(3, 4)\n"
    assert load(write(tmp_path, mixed)).example_inputs[0].shape == (3, 4)
    mixed = "model = Net()\ndef get_sample_input():\n    return torch.ones(5, 4)\n"
    assert load(write(tmp_path, mixed)).example_inputs[0].shape == (5, 4)


def test_functions_come_before_a_mixture(tmp_path: Path) -> None:
    both = (
        "def get_model():\n    return Net()\ndef get_sample_input():\n    return torch.ones(3, 4)\nexample_inputs = 1\n"
    )
    assert load(write(tmp_path, both)).example_inputs[0].shape == (3, 4)


@pytest.mark.parametrize("name", ["Net", "make", "net"])
def test_by_name(tmp_path: Path, name: str) -> None:
    loaded = load(write(tmp_path, "net = Net()\ndef make():\n    return Net()\n"), name, ["f32[5,4]", "i64[]", "i1[2]"])
    assert isinstance(loaded.model, nn.Module)
    assert [(tensor.dtype, tuple(tensor.shape)) for tensor in loaded.example_inputs] == [
        (torch.float32, (5, 4)),
        (torch.int64, ()),
        (torch.bool, (2,)),
    ]


def test_input_option_stands_above_the_file(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, "model, example_inputs = Net(), torch.ones(1, 4)\n"), inputs=["f32[7,4]"])
    assert loaded.example_inputs[0].shape == (7, 4)


def test_dotted_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "net = Net()\nexample_inputs = torch.ones(1, 4)\n", "dotted_model.py")
    monkeypatch.chdir(tmp_path)
    loaded = load("dotted_model:net")
    assert (loaded.top, loaded.source_file) == ("dotted_model", "dotted_model.py")


def test_weights_that_are_not_seeded_are_the_same_each_time(tmp_path: Path) -> None:
    spec = write(tmp_path, "model, example_inputs = Net(), torch.randn(1, 4)\n")
    first, second = load(spec), load(spec)
    assert torch.equal(first.model.layer.weight, second.model.layer.weight)  # type: ignore[arg-type,union-attr]
    assert torch.equal(first.example_inputs[0], second.example_inputs[0])


def test_what_the_file_prints_goes_to_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load(write(tmp_path, "print('loading')\nmodel, example_inputs = Net(), torch.ones(1, 4)\n"))
    assert capsys.readouterr() == ("", "loading\n")


def test_neighbouring_files_can_be_imported(tmp_path: Path) -> None:
    (tmp_path / "neighbour_of_net.py").write_text("SIZE = 9\n")
    text = "from neighbour_of_net import SIZE\nmodel, example_inputs = Net(), torch.ones(SIZE, 4)\n"
    assert load(write(tmp_path, text)).example_inputs[0].shape == (9, 4)


@pytest.mark.parametrize(
    ("file", "top"),
    [("my-net.v2.py", "my_net_v2"), ("module.py", "module_top"), ("3d.py", "model3d"), ("go.py", "go_top")],
)
def test_top_is_a_legal_name(tmp_path: Path, file: str, top: str) -> None:
    assert load(write(tmp_path, "model, example_inputs = Net(), torch.ones(1, 4)\n", file)).top == top

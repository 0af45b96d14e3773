"""`--quantize int8`: what becomes int8, what calibrates it, and what is at the ports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.quantisation.models import computes_in_floats, operations, outputs
from torch2hw.cli import main
from torch2hw.compiler.compiled import Compiled, compile_model
from torch2hw.compiler.options import Options
from torch2hw.frontend.load_model import load
from torch2hw.frontend.quantise_model import quantised
from torch2hw.sim.quantised import output_steps, steps_apart
from torch2hw.tools.errors import UsageError

MODEL = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2))
        self.head = nn.Linear(36, 3)

    def forward(self, x):
        return self.head(self.body(x).flatten(1))

model = Net()
example_inputs = (torch.randn(2, 2, 6, 6),)
"""


def made(folder: Path, text: str = MODEL, **options: Any) -> tuple[Compiled, str]:
    """The compiled model, and the name of its file."""
    file = folder / "net.py"
    file.write_text(text)
    return compile_model(load(str(file)), Options(**options)), str(file)


def apart(design: Compiled) -> int:
    """The steps from PyTorch's codes, at most."""
    inputs = design.loaded.example_inputs
    (got,), sizes = outputs(design, *inputs), output_steps(design.loaded.model, inputs)
    assert sizes is not None and sizes[0] is not None
    expected = design.loaded.model(*inputs).numpy()
    return steps_apart(got, expected, design.imported.outputs[0].dtype, sizes[0]).most


def test_codes_at_the_ports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    design, _ = made(tmp_path, quantize="int8")
    assert "no calibration data" in capsys.readouterr().err
    manifest = design.manifest([], [])
    for port in (*manifest["inputs"], *manifest["outputs"]):
        assert (port["dtype"], port["width"]) == ("i8", 8) and port["scale"] > 0 and -128 <= port["zero_point"] < 128
    used = operations(design)
    assert {"hwlib.product", "hwlib.requantise", "arith.maxsi"} <= used
    assert not computes_in_floats(design)
    assert apart(design) <= 1


def test_floats_at_the_ports_and_a_layer_in_floats(tmp_path: Path) -> None:
    design, _ = made(tmp_path, quantize="int8:per-tensor", io="float", keep_float=("head",))
    manifest = design.manifest([], [])
    assert manifest["inputs"][0]["dtype"] == manifest["outputs"][0]["dtype"] == "f32"
    assert "scale" not in manifest["inputs"][0] and "arith.mulf" in operations(design) and computes_in_floats(design)
    (got,) = outputs(design, *design.loaded.example_inputs)
    expected = design.loaded.model(*design.loaded.example_inputs).detach().numpy()
    np.testing.assert_allclose(got, expected, rtol=0, atol=0.05)


def test_precisions_of_the_file(tmp_path: Path) -> None:
    text = MODEL + '\ndef get_precision_spec():\n    return {"head": "float32", "body": "int8"}\n'
    design, _ = made(tmp_path, text, quantize="int8")
    assert design.manifest([], [])["outputs"][0]["dtype"] == "f32"


def test_weights_of_four_bits(tmp_path: Path) -> None:
    """Packed words: four bits each, in one width for all layers; the codes at the ports have eight."""
    design, _ = made(tmp_path, quantize="int4", partition=2)
    weights = {buffer.dtype for buffer in design.reference.buffers() if buffer.storage.is_read_only}
    assert "i4" in weights and "i8" not in weights
    assert {port["width"] for port in design.manifest([], [])["inputs"]} == {8}
    assert not computes_in_floats(design)
    assert apart(design) <= 1


@pytest.mark.parametrize("shape", [(2, 2, 6, 6), (5, 2, 6, 6), (3, 2, 2, 6, 6)])
def test_calibration_data(shape: tuple[int, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from torch2hw.frontend.quantise_model import calibration_sets

    data = tmp_path / "data.npz"
    np.savez(data, x=np.full(shape, 0.5, np.float32))
    file = tmp_path / "net.py"
    file.write_text(MODEL)
    sets = calibration_sets(load(str(file)), Options(quantize="int8", calibrate=str(data)))
    assert len(sets) == {4: shape[0] // 2, 5: 3}[len(shape)] and capsys.readouterr().err == ""
    assert all(x.shape == (2, 2, 6, 6) and x.dtype == torch.float32 for (x,) in sets)


def test_data_that_do_not_fit(tmp_path: Path) -> None:
    from torch2hw.frontend.quantise_model import calibration_sets

    file, data = tmp_path / "net.py", tmp_path / "data.npz"
    file.write_text(MODEL)
    np.savez(data, y=np.zeros((2, 2, 6, 6), np.float32))
    for name, shape, said in (("y", (2, 2, 6, 6), "the inputs are x"), ("x", (2, 2, 6, 5), "the model takes")):
        np.savez(data, **{name: np.zeros(shape, np.float32)})
        with pytest.raises(UsageError, match=said):
            calibration_sets(load(str(file)), Options(quantize="int8", calibrate=str(data)))
    data.write_text("no archive")
    with pytest.raises(UsageError, match="cannot be read"):
        calibration_sets(load(str(file)), Options(quantize="int8", calibrate=str(data)))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"quantize": "int7"}, "--quantize int7: unknown"),
        ({"io": "int4"}, "--io int4: unknown"),
        ({"keep_float": ("head",)}, "--keep-float: not without --quantize"),
        ({"calibrate": "data.npz"}, "--calibrate: not without --quantize"),
        ({"io": "int8"}, "--io int8: the model is not quantised"),
        ({"quantize": "int8", "keep_float": ("tail",)}, "--keep-float tail: the model has no layer of that name"),
    ],
)
def test_refusals(options: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        made(tmp_path, **options)


def test_command_line_and_replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(
        "import torch\nfrom torch import nn\nmodel = nn.Linear(4, 3)\nexample_inputs = (torch.randn(2, 4),)\n"
    )
    np.savez("data.npz", input=np.random.default_rng(1).normal(size=(8, 4)).astype(np.float32))
    given = ["net.py", "--quantize", "int8", "--calibrate", "data.npz", "--dump", "steps", "-o", "net.sv", "-q"]
    assert main(given) == 0
    manifest = json.loads(Path("net.json").read_text())
    assert manifest["inputs"][0]["scale"] > 0 and "data.npz" not in Path("steps/02-linalg-to-affine.mlir").read_text()
    for step in ("01-torch-to-linalg", "10-remove-dead-code"):
        assert main(["replay", f"steps/{step}.mlir", "-o", "again.sv", "-q"]) == 0
        assert Path("again.sv").read_bytes() == Path("net.sv").read_bytes()
        again = json.loads(Path("again.json").read_text())
        assert again == manifest | {"files": ["again.sv"]}


def test_modules_are_not_changed() -> None:
    model = nn.Linear(4, 3)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    import torch2hw

    torch2hw.compile(model, (torch.randn(2, 4),), quantize="int8")
    assert all((model.state_dict()[name] == value).all() for name, value in before.items())


MASKED = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mask", torch.triu(torch.full((6, 6), {large}), 1))

    def forward(self, x):
        return torch.softmax(x @ x.transpose(0, 1) + self.mask, 1) @ x

torch.manual_seed(0)
model = Net()
example_inputs = (torch.randn(6, 4),)
"""


@pytest.mark.parametrize("large", ["-torch.inf", "-1e9"])
def test_what_a_mask_is_added_to_stays_in_floats(large: str, tmp_path: Path) -> None:
    """As codes, the mask would be the smallest score, and attention would look ahead."""
    file = tmp_path / "net.py"
    file.write_text(MASKED.format(large=large))
    loaded = load(str(file))
    found = quantised(loaded, Options(quantize="int8", io="float"))
    assert found is not None
    with torch.no_grad():
        got, wanted = (model(*loaded.example_inputs) for model in (found.loaded.model, loaded.model))
    assert (got - wanted).abs().max() < 0.05

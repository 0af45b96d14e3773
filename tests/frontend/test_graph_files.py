"""Programs of torch.export and ONNX files as models: ports, dynamic dimensions, places, what they are compared with."""

from __future__ import annotations

import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

import torch2hw
from torch2hw.cli import main
from torch2hw.compiler.compiled import compile_model
from torch2hw.compiler.options import Options
from torch2hw.frontend import onnx_file
from torch2hw.frontend.kept_state import with_kept_state
from torch2hw.frontend.load_model import LoadedModel, load
from torch2hw.frontend.locations import Sources
from torch2hw.frontend.onnx_runtime import OnnxRuntime
from torch2hw.frontend.refusals import ModelFileError, UnsupportedDtype, UnsupportedOperation
from torch2hw.sim import check
from torch2hw.sim.check import references
from torch2hw.tools.errors import CheckError, Torch2HWError, UsageError

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


class Looked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.layer = nn.Embedding(7, 4), nn.Linear(4, 3)
        self.register_buffer("offset", torch.tensor([0.5]), persistent=False)

    def forward(self, x: torch.Tensor, ids: torch.Tensor, scale: float = 2.0) -> dict[str, torch.Tensor]:
        rows = x + self.table(ids)
        return {"rows": torch.relu(self.layer(rows)) * scale + self.offset, "largest": ids.max()}


def saved(folder: Path) -> Path:
    torch.manual_seed(1)
    size = torch.export.Dim("size")
    inputs = (torch.randn(2, 4), torch.tensor([1, 6]))
    program = torch.export.export(Looked(), inputs, dynamic_shapes={"x": {0: size}, "ids": {0: size}})
    torch.export.save(program, folder / "looked.pt2")
    return folder / "looked.pt2"


def network(operator: str = "Relu", version: int = 13, **attributes: Any) -> onnx.ModelProto:
    """A layer of open batch size, its result through `operator`, and rows of a table."""
    rng = np.random.default_rng(1)
    weights = {"w": rng.normal(size=(8, 5)), "b": rng.normal(size=8), "table": rng.normal(size=(6, 8))}
    held = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    nodes = [
        helper.make_node("Gemm", ["input.1", "w", "b"], ["sums"], name="layer", transB=1),
        helper.make_node(operator, ["sums"], ["active"], name="after", **attributes),
        helper.make_node("Gather", ["table", "places"], ["rows"], axis=0, name="rows"),
        helper.make_node("Mul", ["active", "rows"], ["output.1"], name="product"),
    ]
    inputs = [
        helper.make_tensor_value_info("input.1", TensorProto.FLOAT, ["batch", 5]),
        helper.make_tensor_value_info("places", TensorProto.INT64, ["batch"]),
    ]
    outputs = [helper.make_tensor_value_info("output.1", TensorProto.FLOAT, ["batch", 8])]
    graph = helper.make_graph(nodes, "network", inputs, outputs, held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=8)


def written(folder: Path, model: onnx.ModelProto) -> Path:
    onnx.save(model, folder / "network.onnx")
    return folder / "network.onnx"


SOURCES = Sources(Path(__file__).parent, Path(__file__).parent)
SIZES = ["input.1=f32[3,5]", "places=i64[3]"]


def test_an_exported_program_has_the_ports_and_lines_of_its_model(tmp_path: Path) -> None:
    loaded = load(str(saved(tmp_path)), inputs=["f32[3,4]", "ids=i64[3]"])
    design = compile_model(loaded, Options(), stop_at="calyx")
    assert [info.name for info in design.imported.inputs] == ["x", "ids"]
    assert [info.name for info in design.imported.outputs] == ["rows", "largest"]
    assert {kernel.source.file for kernel in design.at("scheduled").kernels if kernel.source} == {Path(__file__).name}
    x, ids = loaded.example_inputs
    assert x.shape == (3, 4) and int(ids.min()) >= 0 and int(ids.max()) < 7
    ((rows, largest),) = references(design, [[x.numpy(), ids.numpy()]])
    expected = loaded.model(x, ids)
    torch.testing.assert_close(torch.from_numpy(rows), expected["rows"])
    assert largest == expected["largest"]


def test_open_dimensions_are_asked_for(tmp_path: Path) -> None:
    path = saved(tmp_path)
    with pytest.raises(Torch2HWError) as open_dimensions:
        load(str(path))
    text = str(open_dimensions.value)
    assert "looked.pt2: error[dynamic-shape]: input x has no size in dimension 0" in text
    assert "--input x=f32[1,4]" in text and "--input ids=i64[1]" in text
    for wrong in (["x=f32[3,5]"], ["f32[3]"], ["x=f16[3,4]"], ["y=f32[3,4]"], ["x=f32[3,4]", "x=f32[3,4]"]):
        with pytest.raises(UsageError):
            load(str(path), inputs=wrong)


def test_sizes_that_a_program_was_not_exported_for(tmp_path: Path) -> None:
    path = str(tmp_path / "short.pt2")
    size = torch.export.Dim("size", min=3, max=8)
    torch.export.save(torch.export.export(nn.ReLU(), (torch.randn(4, 5),), dynamic_shapes=({0: size},)), path)
    assert [load(path, inputs=[f"f32[{n},5]"]).example_inputs[0].shape for n in (3, 8)] == [(3, 5), (8, 5)]
    for n in (2, 9):
        with pytest.raises(UsageError, match=rf"input: its dimension 0 cannot be {n}") as refused:
            load(path, inputs=[f"f32[{n},5]"])
        assert "short.pt2 was exported for 3 to 8" in str(refused.value)


def test_operators_of_a_version_that_nobody_knows(tmp_path: Path) -> None:
    path = written(tmp_path, network(version=99))
    with pytest.raises(ModelFileError) as refused:
        load(str(path))
    assert "network.onnx: error[model-file]: written in version 99 of ONNX's operators" in str(refused.value)
    assert f"up to version {onnx.defs.onnx_opset_version()}" in str(refused.value)


def test_doubles_are_computed_in_single_precision_where_that_is_asked_for(tmp_path: Path) -> None:
    number = numpy_helper.from_array(np.array([0.1, 1e300, 3.0]), "number")
    nodes = [
        helper.make_node("Constant", [], ["number"], value=number),
        helper.make_node("Cast", ["n"], ["wide"], to=TensorProto.DOUBLE),
        helper.make_node("Add", ["x", "number"], ["sum"]),
        helper.make_node("Mul", ["sum", "wide"], ["y"]),
    ]
    x, y = (helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["k", 3]) for name in ("x", "y"))
    n = helper.make_tensor_value_info("n", TensorProto.INT64, [1])
    graph = helper.make_graph(nodes, "doubles", [n, x], [y])
    path = written(tmp_path, helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8))
    with pytest.raises(Torch2HWError) as refused:
        load(str(path), inputs=["x=f64[2,3]"])
    assert "input x is float64" in str(refused.value) and "--input x=f32[1,3] computes in" in str(refused.value)
    compiled = compile_model(load(str(path), inputs=["x=f32[2,3]"]), Options(), stop_at="scheduled")
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    ((result,),) = references(compiled, [[np.array([2]), values]])
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, (values + np.float32([0.1, np.inf, 3])) * np.float32(2))


def test_doubles_in_a_file_of_single_precision() -> None:
    """Those that are cast to float are constants of the design; others are refused by the names that the file has."""

    def graph(*nodes: onnx.NodeProto) -> onnx.ModelProto:
        x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3]) for name in "xy")
        w = numpy_helper.from_array(np.array([0.1, -2.0, 1e300]), "w")
        made = helper.make_graph(list(nodes), "net", [x], [y], [w])
        return helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)

    def loaded(model: onnx.ModelProto) -> LoadedModel:
        return onnx_file.of_model(model, "net.onnx", "net", Sources(Path(), Path()))

    narrowed = helper.make_node("Cast", ["w"], ["narrow"], to=TensorProto.FLOAT)
    design = compile_model(loaded(graph(narrowed, helper.make_node("Mul", ["x", "narrow"], ["y"]))), Options())
    x = np.ones((2, 3), np.float32)
    ((result,),) = references(design, [[x]])
    np.testing.assert_array_equal(result, x * np.float32([0.1, -2.0, np.inf]))
    widened = helper.make_node("Cast", ["x"], ["wide"], to=TensorProto.DOUBLE, name="widen")
    product = helper.make_node("Mul", ["wide", "w"], ["products"])
    back = helper.make_node("Cast", ["products"], ["y"], to=TensorProto.FLOAT)
    with pytest.raises(Torch2HWError) as refused:
        loaded(graph(widened, product, back))
    lines = [line for line in str(refused.value).splitlines() if line.startswith("net.onnx")]
    assert lines == [
        "net.onnx: error[unsupported-dtype]: node 'widen' (Cast) casts to float64",
        "net.onnx: error[unsupported-dtype]: node of products (Mul) takes w in float64",
    ]
    output = graph(helper.make_node("Relu", ["x"], ["y"]))
    output.graph.output.append(helper.make_tensor_value_info("w", TensorProto.DOUBLE, [3]))
    with pytest.raises(UnsupportedDtype, match=r"^net.onnx: error\[unsupported-dtype\]: output w is float64"):
        loaded(output)


@pytest.mark.parametrize("version", [6, 16])
def test_slopes_of_channels(version: int) -> None:
    """Before version 7 they have no dimensions beside that of the channels."""
    slopes = np.array([0.1, -0.5, 3.0], np.float32).reshape((3,) if version == 6 else (3, 1))
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3, 4]) for name in "xy")
    held = [numpy_helper.from_array(slopes, "slopes")]
    graph = helper.make_graph([helper.make_node("PRelu", ["x", "slopes"], ["y"])], "net", [x], [y], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=8)
    loaded = onnx_file.of_model(model, "net.onnx", "net", Sources(Path(), Path()))
    (given,) = loaded.example_inputs
    expected = torch.nn.functional.prelu(given, torch.tensor([0.1, -0.5, 3.0]))
    assert loaded.oracle is not None
    assert torch.equal(loaded.oracle(given)["y"], expected)
    assert torch.equal(loaded.model(given)["y"], expected)


def test_what_pytorch_wrote_otherwise_is_called_so(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "weights.pt2")
    with zipfile.ZipFile(tmp_path / "script.pt2", "w") as script:
        script.writestr("script/data.pkl", "")
        script.writestr("script/constants.pkl", "")
    for name, what in (("weights", "it holds weights or an object"), ("script", "it holds a model in TorchScript")):
        with pytest.raises(ModelFileError, match=f"not a program that torch.export saved\n  why: {what}"):
            load(str(tmp_path / f"{name}.pt2"))


class Counts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.count.add_(1)
        return x + self.count


def test_copies_of_exported_programs_warn_of_nothing(tmp_path: Path) -> None:
    torch.export.save(torch.export.export(Counts(), (torch.zeros(3),)), tmp_path / "counts.pt2")
    loaded = load(str(tmp_path / "counts.pt2"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert with_kept_state(loaded).states == ("count",)


def test_onnx_nodes_that_pytorch_cannot_run_or_that_branch_on_values_are_named() -> None:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3]) for name in "xy")
    c = helper.make_tensor_value_info("c", TensorProto.BOOL, [])
    w = numpy_helper.from_array(np.ones((5, 3), np.float32), "w")
    branches = {
        f"{name}_branch": helper.make_graph(
            [helper.make_node(operator, ["x"], [name])],
            name,
            [],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3])],
        )
        for name, operator in (("then", "Relu"), ("else", "Neg"))
    }
    wrong = {
        "shape-mismatch": helper.make_node("MatMul", ["x", "w"], ["y"], name="odd"),
        "data-dependent": helper.make_node("If", ["c"], ["y"], name="odd", **branches),
    }
    for code, node in wrong.items():
        graph = helper.make_graph([node], "net", [x, c], [y], [w])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        with pytest.raises(Torch2HWError, match=rf"^net.onnx: error\[{code}\]: node 'odd' \({node.op_type}\) "):
            imported(model)


def imported(model: onnx.ModelProto) -> None:
    compile_model(onnx_file.of_model(model, "net.onnx", "net", Sources(Path(), Path())), Options(), stop_at="torch")


def test_files_that_are_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, status in (("m.pt2", 1), ("m.onnx", 1), ("m.tflite", 2)):
        (tmp_path / name).write_text("nothing")
        assert main([str(tmp_path / name), "-o", str(tmp_path / "out.sv")]) == status
        assert name in capsys.readouterr().err
    assert not (tmp_path / "out.sv").exists()


@pytest.mark.parametrize("version", [6, 13, 21])
def test_an_onnx_graph_is_what_onnxruntime_computes(version: int) -> None:
    loaded = onnx_file.of_model(network(version=version), "network.onnx", "network", SOURCES, SIZES)
    design = compile_model(loaded, Options(partition=2), stop_at="calyx")
    assert [info.name for info in (*design.imported.inputs, *design.imported.outputs)] == [
        "input_1",
        "places",
        "output_1",
    ]
    assert loaded.oracle is not None and loaded.oracle_name == "onnxruntime"
    ((got,),) = references(design, [[tensor.numpy() for tensor in loaded.example_inputs]])
    torch.testing.assert_close(torch.from_numpy(got), loaded.oracle(*loaded.example_inputs)["output_1"])
    names = [kernel.source for kernel in design.at("scheduled").kernels]
    assert {str(each) for each in names} <= {f"network.onnx:{number}" for number in range(1, 5)}


RESIZES = [
    ("nearest", "asymmetric", "floor"),
    ("nearest", "asymmetric", "ceil"),
    ("nearest", "half_pixel", "floor"),
    ("nearest", "half_pixel", "round_prefer_floor"),
    ("nearest", "half_pixel", "round_prefer_ceil"),
    ("linear", "asymmetric", ""),
    ("linear", "half_pixel", ""),
    ("linear", "pytorch_half_pixel", ""),
    ("linear", "align_corners", ""),
]


def resizes(forms: list[tuple[str, str, str]], first: int) -> onnx.ModelProto:
    """Images resized in these ways, by factors and to sizes; the batch size is `first`, where -1 is an open one."""
    held = {"whole": np.float32([1, 1, 2, 3]), "odd": np.float32([1, 1, 1.5, 0.5]), "sizes": np.int64([2, 2, 5, 1])}
    nodes = []
    for k, (mode, way, rounding) in enumerate(forms):
        facts = {"mode": mode, "coordinate_transformation_mode": way} | ({"nearest_mode": rounding} if rounding else {})
        for given in (["whole"], ["odd"], ["", "sizes"]):
            nodes.append(helper.make_node("Resize", ["x", "", *given], [f"y{k}_{given[-1]}"], **facts))
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [first, 2, 3, 4])]
    outputs = [helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, None) for node in nodes]
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in held.items()]
    graph = helper.make_graph(nodes, "resizes", inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def test_a_failure_of_onnxruntime_is_told_before_anything_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its table has five rows here, the design's has six."""
    design = torch2hw.compile(network(), (torch.ones(3, 5), torch.tensor([5, 0, 1])))
    other = network()
    for each in other.graph.initializer:
        if each.name == "table":
            each.CopyFrom(numpy_helper.from_array(np.zeros((5, 8), np.float32), "table"))
    session = OnnxRuntime(other.SerializeToString(), ["input.1", "places"], ["output_1"], "network.onnx")
    object.__setattr__(design.compiled.loaded, "oracle", session)
    monkeypatch.setattr(check, "simulate_compiled", None)
    with pytest.raises(ModelFileError) as failure:
        design.simulate()
    first, why, fix = str(failure.value).splitlines()
    assert first == "network.onnx: error[model-file]: onnxruntime fails at node 'rows' (Gather)"
    assert why == "  why: indices element out of data bounds, idx=5 must be within the inclusive range [-5,4]"
    assert fix == "  fix: results are compared with onnxruntime's: make the file and its inputs run there"


def test_images_are_resized_as_onnxruntime_does() -> None:
    loaded = onnx_file.of_model(resizes(RESIZES, -1), "resizes.onnx", "resizes", SOURCES, ["f32[2,2,3,4]"])
    assert loaded.oracle is not None and isinstance(loaded.model, nn.Module)
    found, expected = loaded.model(*loaded.example_inputs), loaded.oracle(*loaded.example_inputs)
    for name, right in expected.items():
        tolerance = 0 if int(name[1]) < 5 else 1e-6
        torch.testing.assert_close(found[name], right, atol=tolerance, rtol=0)
    loaded = onnx_file.of_model(resizes(RESIZES[4:6], 2), "resizes.onnx", "resizes", SOURCES)
    design = compile_model(loaded, Options(), stop_at="calyx")
    (results,) = references(design, [[tensor.numpy() for tensor in loaded.example_inputs]])
    for got, right in zip(results, loaded.model(*loaded.example_inputs).values(), strict=True):
        assert np.array_equal(got, right.numpy())
    with pytest.raises(UnsupportedOperation, match="is unsupported"):
        onnx_file.of_model(resizes([("cubic", "half_pixel", "")], 2), "resizes.onnx", "resizes", SOURCES)


def quantised(channels: bool) -> onnx.ModelProto:
    """A layer of int8 codes, as QDQ files have it; one scale for the weights, or one for each row."""
    rng, scale = np.random.default_rng(1), np.float32(0.01)
    scales = (rng.random(6) * 0.01 + 0.005).astype(np.float32) if channels else scale
    held = {
        "w": rng.integers(-127, 128, (6, 5)).astype(np.int8),
        "b": rng.integers(-1000, 1000, 6).astype(np.int32),
        "w_scale": np.asarray(scales),
        "w_zero": np.zeros_like(scales, np.int8),
        "b_scale": np.asarray(scales * np.float32(0.05)),
        "b_zero": np.zeros_like(scales, np.int32),
        "x_scale": np.float32(0.05),
        "x_zero": np.int8(3),
        "y_scale": np.float32(0.1),
        "y_zero": np.int8(-5),
    }
    axis = {"axis": 0} if channels else {}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "x_scale", "x_zero"], ["x_codes"]),
        helper.make_node("DequantizeLinear", ["x_codes", "x_scale", "x_zero"], ["x_back"]),
        helper.make_node("DequantizeLinear", ["w", "w_scale", "w_zero"], ["w_back"], **axis),
        helper.make_node("DequantizeLinear", ["b", "b_scale", "b_zero"], ["b_back"], **axis),
        helper.make_node("Gemm", ["x_back", "w_back", "b_back"], ["sums"], transB=1),
        helper.make_node("Relu", ["sums"], ["active"]),
        helper.make_node("QuantizeLinear", ["active", "y_scale", "y_zero"], ["codes"]),
        helper.make_node("DequantizeLinear", ["codes", "y_scale", "y_zero"], ["y"]),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 5])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 6])]
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in held.items()]
    graph = helper.make_graph(nodes, "quantised", inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


@pytest.mark.parametrize("channels", [False, True])
def test_codes_of_an_onnx_file_are_summed_as_integers(channels: bool) -> None:
    loaded = onnx_file.of_model(quantised(channels), "quantised.onnx", "quantised", SOURCES)
    design = compile_model(loaded, Options(), stop_at="calyx")
    models = {getattr(s, "name", "") for kernel in design.at("scheduled").kernels for s in kernel.statements()}
    assert "hwlib.requantise" in models and "arith.mulf" in models, "the ports are floats, the sums are not"
    ((got,),) = references(design, [[loaded.example_inputs[0].numpy()]])
    assert loaded.oracle is not None
    expected = loaded.oracle(*loaded.example_inputs)["y"].numpy()
    assert np.abs(got - expected).max() <= 0.1001, "one step"
    assert (got == expected).mean() > 0.9


def test_an_unknown_operator_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, network("Swish", 24))
    status = main([str(path), *(word for size in SIZES for word in ("--input", size)), "-o", str(tmp_path / "o.sv")])
    assert status == 1
    first = capsys.readouterr().err.splitlines()[0]
    assert first == f"{path}: error[unsupported-operation]: node 'after' (Swish) is unsupported"


@pytest.mark.simulation
def test_both_names_of_an_input_and_what_is_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, inputs = written(tmp_path, network()), tmp_path / "inputs.npz"
    arrays = {"input.1": np.ones((3, 5), np.float32), "places": np.array([5, 0, 1])}
    np.savez(inputs, **arrays)  # type: ignore[arg-type]
    words = ["--inputs", str(inputs), *(word for size in SIZES for word in ("--input", size))]
    assert main(["simulate", str(path), *words, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["oracle"] == "onnxruntime" and result["pcc"] > 0.999999 and "torch_float64" not in result
    design = torch2hw.compile(network(), (torch.ones(3, 5), torch.tensor([5, 0, 1])))
    loaded = design.compiled.loaded
    assert loaded.oracle is not None
    other = network("Sigmoid")
    object.__setattr__(
        loaded,
        "oracle",
        OnnxRuntime(other.SerializeToString(), ["input.1", "places"], ["output_1"], "x.onnx"),
    )
    with pytest.raises(CheckError, match="reads the file as another model than onnxruntime"):
        design.simulate().check()


def test_onnx_layers_are_quantised_whole() -> None:
    """A convolution, and a Gemm, which PyTorch computes as a product and a sum: no float is left in hardware."""
    rng = np.random.default_rng(1)
    shapes = {"w": (2, 1, 3, 3), "b": (2,), "v": (3, 8), "c": (3,)}
    held = [numpy_helper.from_array(rng.normal(size=size).astype(np.float32), name) for name, size in shapes.items()]
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["sums"]),
        helper.make_node("Relu", ["sums"], ["active"]),
        helper.make_node("Flatten", ["active"], ["flat"]),
        helper.make_node("Gemm", ["flat", "v", "c"], ["y"], transB=1),
    ]
    ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", [1, 1, 4, 4]), ("y", [1, 3]))]
    model = helper.make_model(
        helper.make_graph(nodes, "net", ports[:1], ports[1:], held), opset_imports=[helper.make_opsetid("", 17)]
    )
    design = torch2hw.compile(model, quantize="int8").compiled
    kernels = design.reference.kernels
    assert len(kernels) == 2
    assert not any(s.type == "f32" for kernel in kernels for s in kernel.statements())

"""Models that PyTorch runs and that once ended in a fault of ours: forms of operations, of modules, of callers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._pytree import tree_leaves

import torch2hw
from torch2hw.analysis.stored_arrays import from_torch, to_torch
from torch2hw.cli import main
from torch2hw.frontend.refusals import NotExportable, StatefulModel, UnsupportedDtype, UnsupportedOperation
from torch2hw.sim.check import references

RANDOM = torch.Generator().manual_seed(1)


def r(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=RANDOM)


class Computed(nn.Module):
    def __init__(self, function: Callable[..., object]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *given: torch.Tensor) -> object:
        return self.function(*given)


def check(model: nn.Module, *given: torch.Tensor) -> None:
    """The design computes what the model does; run by its reference."""
    compiled = torch2hw.compile(model, given).compiled
    answers = references(compiled, [[from_torch(each) for each in given]])[0]
    with torch.no_grad():
        expected = [each for each in tree_leaves(model(*given)) if isinstance(each, torch.Tensor)]
    for array, info, tensor in zip(answers, compiled.imported.outputs, expected, strict=True):
        torch.testing.assert_close(to_torch(array, info.dtype), tensor, rtol=1e-5, atol=1e-5, equal_nan=True)


NAN = torch.tensor([1.0, float("nan"), -2.0, float("nan")])


PAIRS = [(r(3, 4), NAN), (NAN, r(3, 1)), (r(3, 4), torch.tensor(0.5)), (torch.arange(4), torch.tensor(2))]
PAIRS += [(torch.arange(4), NAN), (torch.arange(4, dtype=torch.int32), torch.arange(4).unsqueeze(1))]


def test_fmax_and_fmin() -> None:
    def extremes(*given: torch.Tensor) -> list[torch.Tensor]:
        pairs = zip(given[::2], given[1::2], strict=True)
        return [extreme(x, y) for x, y in pairs for extreme in (torch.fmax, torch.fmin)]

    check(Computed(extremes), *(each for pair in PAIRS for each in pair))


POOLS = [nn.AvgPool1d(2), nn.MaxPool1d(3, 2), nn.AdaptiveAvgPool1d(2), nn.AdaptiveMaxPool1d(2), nn.LPPool1d(2, 2)]
POOLS += [nn.AvgPool2d(2, padding=1), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(2), nn.AdaptiveMaxPool2d(4)]
POOLS += [nn.MaxPool2d(2, return_indices=True), nn.LPPool2d(2, 2), nn.AvgPool3d(2), nn.MaxPool3d(2)]


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_pooling_of_one_sample(dimensions: int) -> None:
    pools = [pool for pool in POOLS if type(pool).__name__.endswith(f"{dimensions}d")]
    assert len(pools) >= 2
    check(Computed(lambda x: [pool(x) for pool in pools]), r(*[[3, 8], [3, 8, 8], [2, 4, 4, 4]][dimensions - 1]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{}, {"stride": 2, "padding": 1, "output_padding": 1}, {"dilation": 2, "padding": 3}]
)
def test_transposed_convolutions_channel_by_channel(options: dict[str, Any]) -> None:
    check(nn.ConvTranspose1d(4, 4, 3, groups=4, **options), r(2, 4, 7))
    check(nn.ConvTranspose2d(3, 3, (2, 3), groups=3, bias=False, **options), r(1, 3, 5, 5))


def test_what_torch_export_made() -> None:
    model, x = nn.Sequential(nn.Linear(4, 3), nn.ReLU()).eval(), r(2, 4)
    check(torch.export.export(model, (x,)).module(), x)


def test_buffers_that_are_not_persistent() -> None:
    class Shifted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for number, dtype in enumerate((torch.float32, torch.bfloat16, torch.float16, torch.int64)):
                self.register_buffer(f"by{number}", (r(4) * 3).to(dtype), persistent=False)

        def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
            return [torch.cat([x + by.float(), by.float()]) for by in self.buffers()]

    check(Shifted(), r(4))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("make", [torch.jit.script, lambda model: torch.jit.trace(model, r(2, 4))])
@pytest.mark.parametrize("inside", [False, True])
def test_torchscript_is_refused_by_name(make: Callable[[nn.Module], nn.Module], inside: bool) -> None:
    model = make(nn.Sequential(nn.Linear(4, 3), nn.ReLU()))
    with pytest.raises(NotExportable, match="layer 1 is in TorchScript" if inside else "the model is in TorchScript"):
        torch2hw.compile(nn.Sequential(nn.Linear(4, 4), model) if inside else model, (r(2, 4),))


NAMES = ["a\\", "größe", "a" * 300, "module", "class", "$(x)*/%d", "a'b", 'a"b', "a\nb"]


def test_names_of_parameters() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name in NAMES:
                self.register_parameter(name, nn.Parameter(r(4)))

        def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
            return [x * getattr(self, name) for name in NAMES]

    check(Named(), r(4))


LOOPS = {
    "products": lambda y, x, i, j: x[i] * x[j],
    "sums in place": lambda y, x, i, j: y[i, j] + x[j] * 2,
    "the one before": lambda y, x, i, j: y[i, j - 1] * 0.5 + x[j],
    "a table": lambda y, x, i, j: torch.maximum(y[i - 1, j], y[i, j - 1]) + x[j],
}


@pytest.mark.parametrize("name", list(LOOPS))
def test_loops_that_write_elements(name: str) -> None:
    """Their steps share constants with kernels outside; what a step reads was once awaited for the first rounds
    only."""

    def filled(x: torch.Tensor) -> torch.Tensor:
        y = torch.zeros(3, 5)
        for i in range(3):
            for j in range(5):
                y[i, j] = LOOPS[name](y, x, i, j)
        return y

    check(Computed(filled), r(5))


def test_an_input_that_fits_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([__file__, "--model", "Computed", "--input", "f32[99999999999]", "-o", "x.sv"]) == 2
    assert "99,999,999,999 elements" in capsys.readouterr().err


def test_a_thread_compiles() -> None:
    code = (
        "import threading, torch, torch2hw\n"
        "def work(): print(len(torch2hw.compile(torch.nn.Linear(4, 3), (torch.ones(2, 4),)).verilog) > 0)\n"
        "thread = threading.Thread(target=work); thread.start(); thread.join(); print('ended')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["True", "ended"]), done.stderr


def test_fake_quantisation_is_arithmetic() -> None:
    zeros, scales = torch.tensor([0, 3], dtype=torch.int32), torch.tensor([0.3, 0.07])
    x = r(2, 50) * 3
    check(Computed(lambda x: torch.fake_quantize_per_tensor_affine(x, 0.1, 3, -8, 7)), x)
    check(Computed(lambda x: torch.fake_quantize_per_channel_affine(x, scales, zeros, 0, -8, 7)), x)
    check(Computed(lambda x: torch.fake_quantize_per_tensor_affine(x, scales[:1], zeros[1:], -128, 127)), x)


def test_a_random_slope_is_its_mean_in_eval_mode() -> None:
    check(nn.Sequential(nn.RReLU(0.1, 0.5), nn.Linear(6, 2)), r(3, 6))


@pytest.mark.parametrize("function", [torch.linalg.det, torch.linalg.slogdet, torch.linalg.inv, torch.linalg.qr])
def test_factorisations_are_refused_by_name(function: Callable[..., object]) -> None:
    with pytest.raises(UnsupportedOperation, match=r"aten.linalg_\w+ is unsupported") as refusal:
        torch2hw.compile(Computed(lambda x: function(x)), (r(3, 3),))
    assert "write out the formula" in (refusal.value.fix or "") and "_check_errors" not in str(refusal.value)


class Contexts(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = x @ x.t()
            with torch.inference_mode():
                z = y.softmax(-1)
        with torch.enable_grad():
            w = torch.cat([torch.zeros(0, 2), x[:, :2]]) * 2
        return z, w.sum(), torch.cat([torch.zeros(2, 0, dtype=torch.int32), y.float()], 1)


def test_contexts_and_empty_parts() -> None:
    """`with torch.autocast` rounds what it says; grad modes change nothing; an empty part adds nothing."""
    check(Contexts(), r(2, 4))


class InContext(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return torch.fft.rfft(x).abs()


def test_what_is_refused_in_a_context() -> None:
    with pytest.raises(UnsupportedDtype, match="is complex") as caught:
        torch2hw.compile(InContext(), (r(2, 4),))
    assert (
        caught.value.location is not None and caught.value.location[1] == InContext.forward.__code__.co_firstlineno + 2
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_quantisation_aware_training() -> None:
    """With observers on a layer keeps state; with them off its fused operation is a function."""
    from torch.ao import quantization

    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU()).train()
    model.qconfig = quantization.get_default_qat_qconfig("fbgemm")  # type: ignore[assignment]
    model = quantization.prepare_qat(model)
    model(r(8, 4))
    with pytest.raises(StatefulModel, match="the observer of 0") as caught:
        torch2hw.compile(model.eval(), (r(2, 4),))
    assert "model.apply(torch.ao.quantization.disable_observer)" in str(caught.value)
    check(model.apply(quantization.disable_observer), r(2, 4))
    assert "forward" not in vars(model[0].weight_fake_quant)

"""Layers of quantised tensors become sums of integers and one requantisation, at most one step from PyTorch's codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

import torch2hw
from tests.quantisation.models import Codes, Computed, Layer, Weights, compiled, distance, operations, outputs
from torch2hw.analysis.stored_arrays import from_torch

PRODUCT, PAIRED, REQUANTISE = "hwlib.product", "hwlib.paired_dot", "hwlib.requantise"
SIGNED, UNSIGNED = Codes(1 / 40, 3), Codes(1 / 60, 131, torch.uint8)


def linear(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return functional.linear(x, w, b)


def relu(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return functional.relu(functional.linear(x, w, b))


def relu6(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return functional.relu6(3 * functional.linear(x, w, b) / 3)


def hardtanh(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return functional.hardtanh(functional.linear(x, w, b), -0.5, 0.75)


def no_bias(x: Tensor, w: Tensor, _: Tensor) -> Tensor:
    return functional.linear(x, w)


def conv(**options: Any) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    return lambda x, w, b: functional.conv2d(x, w, b, **options)


LAYERS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "linear": (lambda: Layer(linear, Weights(5, 17)), (7, 17)),
    "relu": (lambda: Layer(relu, Weights(5, 17)), (7, 17)),
    "hardtanh": (lambda: Layer(hardtanh, Weights(5, 17)), (7, 17)),
    "no bias": (lambda: Layer(no_bias, Weights(5, 17)), (7, 17)),
    "per tensor": (lambda: Layer(linear, Weights(5, 17, channels=False)), (7, 17)),
    "asymmetric weights": (lambda: Layer(linear, Weights(5, 17, zero=9)), (7, 17)),
    "codes out": (lambda: Layer(relu, Weights(5, 17), returns="codes"), (7, 17)),
    "unsigned": (lambda: Layer(linear, Weights(5, 17), UNSIGNED, UNSIGNED), (7, 17)),
    "unsigned codes out": (lambda: Layer(linear, Weights(5, 17), SIGNED, UNSIGNED, "codes"), (7, 17)),
    "unsigned weights": (lambda: Layer(linear, Weights(5, 17, zero=128, dtype=torch.uint8)), (7, 17)),
    "convolution": (lambda: Layer(conv(padding=1), Weights(4, 3, 3, 3)), (1, 3, 6, 5)),
    "strided": (lambda: Layer(conv(padding=2, stride=2), Weights(4, 3, 3, 3), UNSIGNED), (2, 3, 7, 6)),
    "depthwise": (lambda: Layer(conv(padding=1, groups=4), Weights(4, 1, 3, 3)), (1, 4, 6, 5)),
    "grouped": (lambda: Layer(conv(groups=2), Weights(4, 2, 3, 2)), (1, 4, 6, 5)),
}


@pytest.mark.slow
@pytest.mark.parametrize(("number", "name"), list(enumerate(LAYERS)))
def test_layers(number: int, name: str) -> None:
    torch.manual_seed(number)
    partition = 1 + 2 * (number % 2)
    make, shape = LAYERS[name]
    apart, used = distance(make(), torch.randn(shape), partition=partition)
    assert REQUANTISE in used and used & {PRODUCT, PAIRED}
    assert apart.most <= 1 and apart.different <= max(1, apart.of // 8), apart


def test_scale_is_applied_once_where_the_sum_is_not_quantised() -> None:
    model, x = Layer(linear, Weights(5, 17), returns="floats"), torch.randn(7, 17)
    design = compiled(model, x)
    assert PRODUCT in operations(design) and REQUANTISE not in operations(design)
    torch.testing.assert_close(torch.from_numpy(outputs(design, x)[0]), model(x).detach(), rtol=1e-5, atol=1e-6)


def test_products_of_activations() -> None:
    left, right, out = Codes(1 / 40, 7), Codes(1 / 50, -20), Codes(1 / 12, 1)
    model = Computed(lambda a, b: out(left(a) @ right(b)))
    apart, used = distance(model, torch.randn(5, 9), torch.randn(9, 4), partition=2)
    assert REQUANTISE in used and used & {PRODUCT, PAIRED} and apart.most <= 1


def test_codes_that_come_in_are_read_where_they_are() -> None:
    weights, x, y = Weights(5, 17), Codes(1 / 40, 7), Codes(1 / 30, -3)
    model = Computed(lambda q: y.quantise(functional.linear(x.numbers(q), weights())))
    apart, used = distance(model, torch.randint(-128, 128, (7, 17)).to(torch.int8))
    assert used == {PRODUCT, REQUANTISE, "arith.extsi", "arith.addi"} and apart.most <= 1


def test_codes_of_a_padded_image_are_read_without_division() -> None:
    """The kernel between the image and the layer has one loop over all of its elements."""
    design = compiled(torch.nn.Conv2d(3, 4, 3, padding=1), torch.randn(1, 3, 6, 5), quantize="int8")
    loads = [load for kernel in design.at("affine").kernels for load in kernel.loads() if load.type == "i8"]
    assert loads and all(index.is_affine for load in loads for index in load.indices)


def test_one_element() -> None:
    apart, _ = distance(Layer(linear, Weights(1, 1)), torch.randn(1, 1))
    assert apart.most <= 1


@pytest.mark.parametrize("padding", [0, 1])
def test_maximum_of_codes(padding: int) -> None:
    x, y = Codes(1 / 40, 7), Codes(1 / 30, -3)
    weights = Weights(4, 2 * 9)

    def network(a: Tensor) -> Tensor:
        pooled = x(functional.max_pool2d(x(a), 2, 2, padding))
        return y(functional.linear(pooled.flatten(1)[:, :18], weights()))

    apart, used = distance(Computed(network), torch.randn(1, 2, 6, 6))
    assert {"arith.maxsi", PRODUCT} <= used and "arith.maximumf" not in used and apart.most <= 1


def random_codes(*shape: int, dtype: torch.dtype = torch.int8) -> Tensor:
    low, high = (-128, 128) if dtype == torch.int8 else (0, 256)
    return torch.randint(low, high, shape).to(dtype)


@pytest.mark.parametrize("unsigned", [False, True])
def test_sums_of_codes(unsigned: bool) -> None:
    left, right, y = Codes(1 / 40, 7), UNSIGNED if unsigned else Codes(1 / 25, -20), Codes(1 / 12, -1)
    model = Computed(lambda a, b: y.quantise(functional.relu(left.numbers(a) + right.numbers(b))))
    apart, used = distance(model, random_codes(40, 50), random_codes(40, 50, dtype=right.dtype))
    assert used <= {PRODUCT, REQUANTISE, "arith.addi", "arith.extsi", "arith.extui"} and apart.most <= 1
    assert apart.different < apart.of / 16


def test_sums_of_a_layer_and_codes() -> None:
    x, y, weights = Codes(1 / 40, 7), Codes(1 / 30, -3), Weights(17, 17)

    def network(q: Tensor) -> Tensor:
        layer = y(functional.linear(x.numbers(q), weights()))
        return y.quantise(functional.relu6(layer + x.numbers(q)))

    apart, used = distance(Computed(network), random_codes(7, 17))
    assert "arith.addf" not in used and REQUANTISE in used and apart.most <= 1


def test_means_of_codes() -> None:
    x, y = Codes(1 / 40, 7), Codes(1 / 50, -3)
    model = Computed(lambda q: y.quantise(functional.avg_pool2d(x.numbers(q), (2, 3))))
    apart, used = distance(model, random_codes(1, 3, 8, 9), partition=2)
    assert used <= {REQUANTISE, "arith.addi", "arith.extsi"} and apart.most <= 1


def test_codes_of_another_scale() -> None:
    x, y = Codes(1 / 40, 7), Codes(1 / 50, -3)
    apart, used = distance(Computed(lambda q: y.quantise(x.numbers(q))), random_codes(8, 9))
    assert REQUANTISE in used and "arith.mulf" not in used and apart.most <= 1


def test_layers_take_turns_with_one_requantisation() -> None:
    x, y, z = Codes(1 / 40, 7), Codes(1 / 11, -3), Codes(1 / 20, 2)  # a code of y moves z's by less than one
    first, second = Weights(9, 17), Weights(5, 9)
    model = Computed(lambda q: z.quantise(functional.linear(y(functional.linear(x.numbers(q), first())), second())))
    q = random_codes(7, 17)
    apart, _ = distance(model, q)
    units = [name for name in compiled(model, q).reference.shared if "requantise" in name]
    assert apart.most <= 1 and len(units) == 1


def test_maximum_in_windows_of_padding_stays_in_floats() -> None:
    x, weights, y = Codes(1 / 40, 7), Weights(4, 2 * 9), Codes(1 / 30, -3)

    def network(a: Tensor) -> Tensor:
        padded = functional.pad(x(a), (2, 0, 2, 0), value=-torch.inf)
        return y(functional.linear(x(functional.max_pool2d(padded, 2, 2)).flatten(1)[:, :18], weights()))

    apart, used = distance(Computed(network), torch.randn(1, 2, 6, 6))
    assert "arith.maxsi" not in used and apart.most <= 1


def test_sums_too_long_for_32_bits_stay_in_floats() -> None:
    x = Codes(1 / 127, 127)
    model = Computed(lambda a, b: x(a) @ x(b))
    count = (1 << 31) // (255 * 255) + 1
    short, long = (compiled(model, torch.rand(1, n), torch.rand(n, 1)) for n in (count - 1, count))
    assert PRODUCT in operations(short) and PRODUCT not in operations(long)


def test_scales_that_change_within_a_sum_stay_in_floats() -> None:
    weights, x = Weights(17, 5), Codes(1 / 40)
    model, a = Computed(lambda a: x(a) @ weights()), torch.randn(7, 17)
    design = compiled(model, a)
    assert PRODUCT not in operations(design)
    torch.testing.assert_close(torch.from_numpy(outputs(design, a)[0]), model(a), rtol=1e-5, atol=1e-5)


def test_codes_of_very_different_scales_stay_in_floats() -> None:
    layer = Layer(linear, Weights(5, 17))
    layer.weights.scales[2] *= 1e-6
    layer.bias.data[2] = 1e6
    assert PRODUCT in operations(compiled(layer, torch.randn(3, 17)))
    apart, used = distance(layer, torch.randn(3, 17))
    assert REQUANTISE not in used and apart.most <= 1


def test_constants_are_folded_where_no_sum_reads_their_codes() -> None:
    weights = Weights(5, 17)
    model, x = Computed(lambda a: a + weights()), torch.randn(5, 17)
    for schedule in ("static", "sequential"):
        design = compiled(model, x, schedule=schedule)
        assert len(design.at("affine").kernels) == 1 if schedule == "static" else True
        torch.testing.assert_close(torch.from_numpy(outputs(design, x)[0]), model(x), rtol=0, atol=0)


def test_sequential_schedule_computes_in_floats() -> None:
    apart, used = distance(Layer(relu, Weights(5, 17)), torch.randn(3, 17), schedule="sequential")
    assert PRODUCT not in used and apart.most <= 1


@pytest.mark.simulation
@pytest.mark.slow
@pytest.mark.parametrize("name", ["relu", "strided", "unsigned codes out"])
def test_hardware(name: str) -> None:
    torch.manual_seed(1)
    make, shape = LAYERS[name]
    x = torch.randn(shape)
    result = torch2hw.compile(make(), (x,), partition=2).simulate(x)
    result.check()
    assert result.bit_exact and result.steps is not None and result.steps.most <= 1
    assert from_torch(result.outputs).shape

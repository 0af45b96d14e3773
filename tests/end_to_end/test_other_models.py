"""Models that once went wrong, end to end."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import torch2hw
from torch2hw.dialects.program import Rounds


class ExponentialsOfTwoKinds(nn.Module):
    """Many exps and an exp2: exp's shared unit number 2 was once called as exp2's module."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        several = torch.exp(x) + torch.exp(-x) + torch.exp(x * 0.5)
        return torch.exp2(x), several, torch.softmax(several, -1), torch.exp2(several * 0.125)


class Powers(nn.Module):
    """Whole powers become products, those to a half roots."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        roots = (x.abs() ** 0.5, x.abs() ** -0.5)
        return x.pow(2), x**3, x**-1, x**-2, x**1, x**0, x**5, x**20, x**-17, *roots


class PlacesByTable(nn.Module):
    """Places that PyTorch computes from indices are known when the design is made; roll hides shapes behind casts."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        image = x.reshape(1, 1, 3, 5)
        mirrored = nn.functional.pad(image, (1, 2, 1, 0), mode="reflect")
        return x.roll(2, 1), mirrored, nn.functional.adaptive_avg_pool2d(image, (2, 3)), x.to(torch.int32).abs()


class PaddedUpsampling(nn.Module):
    """A pattern of MLIR's once moved the padded tensor by the padding without the transposed convolution's stride."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(1, 2, 3, stride=2)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.up(nn.functional.pad(x[None, None], (2, 1, 1, 2))),)


class StepsThatBeginAlike(nn.Module):
    """Every step reads where the first one began; a product is stored over part of the one before it."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        start = torch.tanh(x)
        state = start
        for _ in range(6):
            state = torch.sin(state.flip(1)) + start
        stacked = torch.zeros(8, 3)
        for step in range(5):
            stacked[step : step + 3] = x[:, :3] @ x[:, 2:].flip(0) * (step + 1)
        return state, torch.relu(stacked)


class PartsThatNobodyReads(nn.Module):
    """The module of a kernel that stored only such parts was left over; sums of one term begin with other sums."""

    def __init__(self) -> None:
        super().__init__()
        self.bias, self.taps = nn.Linear(5, 3), nn.Parameter(torch.randn(3, 1, 1, 1))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        parts = x * 1.5
        for step in range(2):
            parts[:, 2 * step : 2 * step + 1] = torch.relu(parts[:, step : step + 1]) - 0.5
        one = nn.functional.conv2d(x[:1, :1, None, None], self.taps, self.bias(x[0]))
        return parts.unfold(1, 1, 4).sum(2), one


class ParametersInLists(nn.Module):
    """torch-mlir's importer takes no parameter in a list of tensors; parts of pooling may have different sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.places = nn.Parameter(torch.randn(2, 5)), nn.Buffer(torch.tensor([2, 0]))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        parts = nn.functional.adaptive_max_pool2d(x[None], (2, 3), return_indices=True)
        return torch.cat([self.token, x]), x[:, self.places], *parts, x.roll(3, 0), x.roll(1)


class LargeIntegers(nn.Module):
    """torch-mlir negates through f32, extends uint8 by its sign, and sums 8 bits in 8."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        large = (x * 100).to(torch.int32) * 1_000_001
        small = (x * 60 + 120).to(torch.uint8)
        sums = small.sum(0, dtype=torch.int32), small.sum(dtype=torch.uint8), small.any(1)
        joined = torch.cat([small, large.to(torch.int64)])
        return -large, large | 5, *sums, small @ small.T, joined, torch.clamp(small, min=small.flip(0))


@pytest.mark.simulation
@pytest.mark.parametrize("partition", [pytest.param(1, marks=pytest.mark.long), 3])
@pytest.mark.parametrize(
    "kind",
    [
        ExponentialsOfTwoKinds,
        Powers,
        pytest.param(PlacesByTable, marks=pytest.mark.quick),
        pytest.param(PaddedUpsampling, marks=pytest.mark.quick),
        StepsThatBeginAlike,
        PartsThatNobodyReads,
        ParametersInLists,
        LargeIntegers,
    ],
)
def test_bit_exact(kind: type[nn.Module], partition: int) -> None:
    model = kind()
    torch.manual_seed(1)
    x = torch.randn(3, 5)
    result = torch2hw.compile(model, (x,), partition=partition).simulate(x, runs=3)
    result.check()
    for hardware, expected in zip(result.outputs, model(x), strict=True):
        torch.testing.assert_close(hardware, expected, rtol=1e-5, atol=1e-6)


class Classifier(nn.Module):
    """Divides and takes roots a few times: means of 572 places, a length, a softmax over 5 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(4, 12, 3, padding=1)
        self.classes = nn.Linear(12, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        means = torch.relu(self.features(x)).mean((2, 3))
        return torch.softmax(self.classes(means / means.norm(dim=1, keepdim=True)), -1)


@pytest.mark.simulation
@pytest.mark.parametrize(
    ("partition", "options"), [(1, {}), (1, {"subnormals": "keep", "share_units": False}), (2, {"overlap": False})]
)
def test_rare_divisions_and_roots(partition: int, options: dict[str, Any]) -> None:
    torch.manual_seed(2)
    model, x = Classifier(), torch.randn(2, 4, 26, 22)
    design = torch2hw.compile(model, (x,), partition=partition, **options)
    for unit in ("f32_div_iterative", "f32_sqrt_iterative"):
        assert f"module {unit}(" in design.verilog
    result = design.simulate(x, runs=3)
    result.check()
    torch.testing.assert_close(result.outputs, model(x), rtol=1e-5, atol=1e-6)


class FewMeans(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 7, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.features(x)).mean((2, 3))


@pytest.mark.parametrize("partition", [1, 2, 4])
def test_lanes_do_not_wait_for_few_means(partition: int) -> None:
    """7 sums of 108 are too few for the adders of many lanes, so the convolution has a kernel of its own there."""
    design = torch2hw.compile(FewMeans(), (torch.randn(1, 3, 12, 9),), partition=partition)
    lanes = 1 if partition == 1 else 7 / 8 * partition**2  # 7 channels on an even number of lanes
    work = 7 * 108 * 27 / lanes
    assert design.manifest["latency_cycles"] < 1.25 * work + 108 * 7


@pytest.mark.quick
@pytest.mark.simulation
def test_a_condition_that_chooses_twice_is_kept_in_between() -> None:
    """elu(x) is x > 0 ? x : expm1(x > 0 ? 0 : x); the first sequential lowering gave 0 for negative values (fuzz seed
    21, by bisection)."""
    x = torch.randn(1, 5, 4)
    result = torch2hw.compile(nn.ELU(), (x,), schedule="sequential", clock_ns=1.8).simulate(x)
    result.check()
    torch.testing.assert_close(result.outputs, nn.functional.elu(x), rtol=1e-6, atol=1e-7)


class QuotientsInRounds(nn.Module):
    """Two kernels of one round share an iterative divider; the first is at its next round's sums before the second has
    divided."""

    def forward(self, x: torch.Tensor, by: torch.Tensor, each: torch.Tensor) -> torch.Tensor:
        largest = x.amax(2) / by
        picked = nn.functional.max_pool1d(largest[:, None, :], 28, stride=243, dilation=9)[:, 0]
        return torch.exp(picked) / each[:, None]


@pytest.mark.simulation
def test_an_iterative_unit_takes_the_operands_of_who_starts_it() -> None:
    torch.manual_seed(0)
    inputs = torch.randn(2, 512, 160), torch.rand(512) + 1, torch.rand(2) + 1
    design = torch2hw.compile(QuotientsInRounds(), inputs)
    assert "f32_div_iterative_0_start" in design.verilog
    result = design.simulate(*inputs)
    result.check()
    torch.testing.assert_close(result.outputs, QuotientsInRounds()(*inputs), rtol=1e-6, atol=1e-7)


@pytest.mark.simulation
def test_a_word_written_just_before_go_is_read() -> None:
    """The sequential schedule took a memory's answer to the host for its own first step's (fuzz seed 78045)."""
    torch.manual_seed(4)
    model, word = nn.Embedding(2, 2), torch.tensor([[1]])
    result = torch2hw.compile(model, (word,), schedule="sequential", partition=2).simulate(word, runs=3)
    result.check()
    assert torch.equal(result.outputs, model(word))


class NormTwice(nn.Module):
    """LLVM's vectoriser read its group norm's roots before they were stored."""

    def __init__(self) -> None:
        super().__init__()
        self.batch, self.group = nn.BatchNorm2d(1), nn.GroupNorm(1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.group(self.batch(x))  # type: ignore[no-any-return]


@pytest.mark.simulation
def test_the_reference_has_no_vectors() -> None:
    torch.manual_seed(78293)
    model, x = NormTwice().eval(), torch.randn(2, 1, 1, 7)
    result = torch2hw.compile(model, (x,), partition=3).simulate(x)
    result.check()
    torch.testing.assert_close(result.outputs, model(x), rtol=1e-5, atol=1e-5)


class ShuffledChannels(nn.Module):
    """Padding after a reshape: inside the image the places are plain sums of the loops' indices."""

    def __init__(self) -> None:
        super().__init__()
        self.groups = nn.Conv2d(6, 6, 1, groups=3)
        self.shuffle = nn.ChannelShuffle(3)
        self.each = nn.Conv2d(6, 6, 3, padding=1, groups=6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x + self.each(self.shuffle(self.groups(x))))


@pytest.mark.simulation
def test_padding_after_a_reshape_keeps_the_lanes_busy() -> None:
    torch.manual_seed(3)
    model, x = ShuffledChannels(), torch.randn(1, 6, 6, 6)
    design = torch2hw.compile(model, (x,), partition=2)
    result = design.simulate(x, runs=2)
    result.check()
    torch.testing.assert_close(result.outputs, model(x), rtol=1e-5, atol=1e-6)
    assert result.cycles[0] < 1.15 * design.manifest["macs"] / 4


class TwoChainsOfRows(nn.Module):
    """Two groups of fused kernels, with kernels between them and after: both waits were once called drain."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = (nn.Sequential(nn.Linear(n, 48), nn.ReLU(), nn.Linear(48, 12)) for n in (6, 12))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.second(torch.cumsum(self.first(x), 0).flip(0)))


@pytest.mark.simulation
@pytest.mark.parametrize("partition", [pytest.param(2, marks=pytest.mark.long), 3])
def test_rows_are_handed_on(partition: int) -> None:
    torch.manual_seed(1)
    model, x = TwoChainsOfRows(), torch.randn(60, 6)
    design = torch2hw.compile(model, (x,), partition=partition)
    assert len([node for node in design.compiled.at("scheduled").sequence if isinstance(node, Rounds)]) >= 2
    result = design.simulate(x, runs=3)
    result.check()
    torch.testing.assert_close(result.outputs, model(x), rtol=1e-5, atol=1e-6)


class Recurrent(nn.Module):
    """A network that keeps all its states, read backwards, and a recurrence of second order written by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.RNN(5, 7, batch_first=True, bidirectional=True)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        states, _ = self.network(x)
        older, newer = x[:, 0], x[:, 1]
        for step in range(2, x.shape[1]):
            older, newer = newer, torch.sin(x[:, step] + older - newer)
        return states.flip(1), newer


@pytest.mark.simulation
@pytest.mark.parametrize("partition", [pytest.param(1, marks=pytest.mark.long), 3])
def test_a_recurrence_has_the_kernels_of_a_few_steps(partition: int) -> None:
    torch.manual_seed(1)
    model, x = Recurrent(), torch.randn(2, 9, 5)
    design = torch2hw.compile(model, (x,), partition=partition)
    kernels = design.compiled.at("affine").kernels
    assert len([kernel for kernel in kernels if kernel.rounds > 5]) == 2 and len(kernels) < 20
    result = design.simulate(x, runs=3)
    result.check()
    for hardware, expected in zip(result.outputs, model(x), strict=True):
        torch.testing.assert_close(hardware, expected, rtol=1e-5, atol=1e-6)


class NamedLikeABank(nn.Module):
    """An argument with the name that a bank of another one would have."""

    def forward(self, x: torch.Tensor, x_b0: torch.Tensor) -> torch.Tensor:
        return torch.relu(x @ x.T) * x_b0


def test_arguments_and_banks_have_different_names() -> None:
    inputs = (torch.randn(8, 8), torch.randn(1))
    manifest = torch2hw.compile(NamedLikeABank(), inputs, partition=2).manifest
    assert [port["name"] for port in manifest["inputs"]] == ["x", "x_b0_"]


class ReadLateWrittenEarly(nn.Module):
    """A kernel with several results overwrote what it still wanted to read: check-ports found it."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
        f = nn.functional
        activations = f.hardswish(x), f.hardsigmoid(x), f.elu(x), f.leaky_relu(x), f.mish(x), f.logsigmoid(x)
        others = f.tanhshrink(x), f.softsign(x), f.log_softmax(x, -1), torch.logsumexp(x, -1), torch.minimum(x, y)
        return *activations, *others, torch.lerp(x, y, 0.3), torch.addcmul(x, y, y), torch.sqrt(x.abs())


def test_an_iteration_reads_before_it_overwrites() -> None:
    torch2hw.compile(ReadLateWrittenEarly(), (torch.randn(2, 8), torch.randn(2, 8)))

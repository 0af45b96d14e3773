"""Random models as Python files: `source(seed)` is the text of a model file, the same on every machine.

Grammar (a model is a chain of layers over one of three kinds of tensor; sizes are small, often 1 or prime):

    vector   [B, F]        Linear, activation, LayerNorm, Softmax, residual, slice, concatenation, row sum
    image    [B, C, H, W]  Conv2d (kernel, stride, padding, dilation, groups), BatchNorm2d, MaxPool2d, AvgPool2d,
                           activation, softmax, flatten
    sequence [B, L, D]     Linear, activation, LayerNorm, MultiheadAttention, LSTM, transpose, flatten, mean
    activation             ReLU, LeakyReLU, Tanh, Sigmoid, GELU, clamp, abs, scaling, x·x

Each layer draws from a generator of its own, seeded by the model's seed and the layer's number: a chain with a layer
left out (`without`) keeps its other layers, fitted to the shapes that they now get. That is what shrinking does.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

MOST_LAYERS = 4
SIZES = (1, 2, 3, 4, 5, 7, 8, 11, 13, 16)
Shape = tuple[int, ...]


@dataclass
class Chain:
    """The model under construction: the shape after the layers so far, and the lines they need."""

    shape: Shape
    kind: str
    made: list[str] = field(default_factory=list)
    forward: list[str] = field(default_factory=list)
    used: list[str] = field(default_factory=list)

    def layer(self, constructor: str, call: str = "self.{name}(x)") -> None:
        """A submodule, and its use."""
        name = f"l{len(self.made)}"
        self.made.append(f"self.{name} = {constructor}")
        self.forward.append("x = " + call.format(name=name))


def source(seed: int, without: Collection[int] = ()) -> str:
    """The model file of a seed, layers `without` left out."""
    rng = random.Random(f"torch2hw {seed}")
    kind = rng.choice(("vector", "image", "sequence"))
    shapes: dict[str, Callable[[], Shape]] = {
        "vector": lambda: (rng.choice((1, 2, 3, 5)), rng.choice(SIZES)),
        "image": lambda: (rng.choice((1, 1, 2)), rng.choice((1, 2, 3, 4)), rng.randint(1, 11), rng.randint(1, 11)),
        "sequence": lambda: (rng.choice((1, 1, 2)), rng.choice((1, 2, 3, 5)), rng.choice((2, 3, 4, 6, 8))),
    }
    shape = shapes[kind]()
    chain = Chain(shape, kind)
    for number in range(rng.randint(1, MOST_LAYERS)):
        if number not in without:
            own = random.Random(f"torch2hw {seed} {number}")
            name, build = own.choice(LAYERS[chain.kind])
            chain.used.append(name)
            build(chain, own)
    lines = [
        '"""' + f"Model {seed} of torch2hw's fuzzer: {', '.join(chain.used) or 'nothing'}." + '"""',
        "import torch",
        "from torch import nn",
        "",
        "",
        "class Model(nn.Module):",
        "    def __init__(self):",
        "        super().__init__()",
        *(f"        {line}" for line in chain.made),
        "",
        "    def forward(self, x):",
        *(f"        {line}" for line in chain.forward),
        "        return x",
        "",
        "",
        f"torch.manual_seed({seed})",
        "model = Model()",
        f"example_inputs = (torch.randn({', '.join(map(str, shape))}),)",
    ]
    return "\n".join(lines) + "\n"


# -- layers of every kind --
ACTIVATIONS = (
    "torch.relu(x)",
    "nn.functional.leaky_relu(x, 0.1)",
    "torch.tanh(x)",
    "torch.sigmoid(x)",
    "nn.functional.gelu(x)",
    "x.clamp(-0.5, 0.75)",
    "x.abs() - 0.25",
    "x * 0.3 + 1.0",
    "x * x",
    "torch.where(x > 0, x, x / 3)",
)


def activation(chain: Chain, rng: random.Random) -> None:
    """An elementwise function."""
    chain.forward.append(f"x = {rng.choice(ACTIVATIONS)}")


def linear(chain: Chain, rng: random.Random) -> None:
    """A Linear over the last dimension."""
    size = rng.choice(SIZES)
    chain.layer(f"nn.Linear({chain.shape[-1]}, {size}, bias={rng.random() < 0.7})")
    chain.shape = (*chain.shape[:-1], size)


def layer_norm(chain: Chain, rng: random.Random) -> None:
    """A LayerNorm over the last dimension."""
    chain.layer(f"nn.LayerNorm({chain.shape[-1]})")


def softmax(chain: Chain, rng: random.Random) -> None:
    """A softmax over any dimension but the first."""
    chain.forward.append(f"x = torch.softmax(x, {rng.randrange(1, len(chain.shape))})")


def residual(chain: Chain, rng: random.Random) -> None:
    """x + f(x)."""
    chain.layer(f"nn.Linear({chain.shape[-1]}, {chain.shape[-1]})", "x + torch.relu(self.{name}(x))")


def flatten(chain: Chain, rng: random.Random) -> None:
    """To a vector."""
    size = 1
    for extent in chain.shape[1:]:
        size *= extent
    chain.forward.append("x = x.flatten(1)")
    chain.shape, chain.kind = (chain.shape[0], size), "vector"


# -- vectors --
def cut(chain: Chain, rng: random.Random) -> None:
    """A slice with a step."""
    size, step = chain.shape[1], rng.choice((1, 2, 3))
    start = rng.randrange(size)
    chain.forward.append(f"x = x[:, {start}::{step}]")
    chain.shape = (chain.shape[0], len(range(start, size, step)))


def concatenate(chain: Chain, rng: random.Random) -> None:
    """The vector and something made of it, side by side."""
    chain.forward.append(f"x = torch.cat([x, {rng.choice(('x * 2', 'x.flip(1)', 'torch.relu(x)'))}], 1)")
    chain.shape = (chain.shape[0], 2 * chain.shape[1])


def row_reduction(chain: Chain, rng: random.Random) -> None:
    """One number a row."""
    chain.forward.append(
        f"x = {rng.choice(('x.sum(1, keepdim=True)', 'x.mean(1, keepdim=True)', 'x.amax(1, keepdim=True)'))}"
    )
    chain.shape = (chain.shape[0], 1)


# -- images --
def conv(chain: Chain, rng: random.Random) -> None:
    """A Conv2d that fits."""
    batch, channels, *place = chain.shape
    groups = rng.choice([g for g in range(1, channels + 1) if channels % g == 0])
    out = groups * rng.choice((1, 1, 2, 3))
    kernel, stride, padding, dilation, sizes = [], [], [], [], []
    for extent in place:
        pad, gap = rng.choice((0, 0, 1, 2)), rng.choice((1, 1, 2))
        largest = (extent + 2 * pad - 1) // gap + 1
        taps = rng.randint(1, min(3, largest))
        step = rng.choice((1, 1, 2, 3))
        kernel.append(taps)
        stride.append(step)
        padding.append(pad)
        dilation.append(gap)
        sizes.append((extent + 2 * pad - gap * (taps - 1) - 1) // step + 1)
    chain.layer(
        f"nn.Conv2d({channels}, {out}, {tuple(kernel)}, stride={tuple(stride)}, padding={tuple(padding)}, "
        f"dilation={tuple(dilation)}, groups={groups}, bias={rng.random() < 0.7})"
    )
    chain.shape = (batch, out, *sizes)


def batch_norm(chain: Chain, rng: random.Random) -> None:
    """A BatchNorm2d with statistics that are not trivial."""
    chain.layer(f"nn.BatchNorm2d({chain.shape[1]})")
    name = chain.made[-1].split(" ")[0]
    chain.made += [f"{name}.running_mean.uniform_(-1, 1)", f"{name}.running_var.uniform_(0.5, 2)"]


def pool(chain: Chain, rng: random.Random) -> None:
    """Max or average pooling."""
    batch, channels, height, width = chain.shape
    size = rng.randint(1, min(3, height)), rng.randint(1, min(3, width))
    step = tuple(rng.randint(1, extent) for extent in size)
    chain.layer(f"nn.{rng.choice(('MaxPool2d', 'AvgPool2d'))}({size}, {step})")
    chain.shape = (batch, channels, (height - size[0]) // step[0] + 1, (width - size[1]) // step[1] + 1)


# -- sequences --
def attention(chain: Chain, rng: random.Random) -> None:
    """Self-attention."""
    width = chain.shape[2]
    heads = rng.choice([h for h in (1, 2, 3, 4) if width % h == 0])
    chain.layer(f"nn.MultiheadAttention({width}, {heads}, batch_first=True)", "self.{name}(x, x, x)[0]")


def recurrence(chain: Chain, rng: random.Random) -> None:
    """An LSTM or GRU."""
    size = rng.choice((1, 2, 3, 5))
    chain.layer(f"nn.{rng.choice(('LSTM', 'GRU'))}({chain.shape[2]}, {size}, batch_first=True)", "self.{name}(x)[0]")
    chain.shape = (*chain.shape[:2], size)


def transpose(chain: Chain, rng: random.Random) -> None:
    """Length and width exchanged."""
    chain.forward.append("x = x.transpose(1, 2)")
    chain.shape = (chain.shape[0], chain.shape[2], chain.shape[1])


def mean(chain: Chain, rng: random.Random) -> None:
    """The mean over the sequence."""
    chain.forward.append("x = x.mean(1)")
    chain.shape, chain.kind = (chain.shape[0], chain.shape[2]), "vector"


Build = Callable[[Chain, random.Random], None]
COMMON: tuple[tuple[str, Build], ...] = (("activation", activation),)
LAYERS: dict[str, tuple[tuple[str, Build], ...]] = {
    "vector": (
        *COMMON,
        ("linear", linear),
        ("linear", linear),
        ("layer norm", layer_norm),
        ("softmax", softmax),
        ("residual", residual),
        ("slice", cut),
        ("concatenation", concatenate),
        ("row reduction", row_reduction),
    ),
    "image": (
        *COMMON,
        ("convolution", conv),
        ("convolution", conv),
        ("batch norm", batch_norm),
        ("pooling", pool),
        ("softmax", softmax),
        ("flatten", flatten),
    ),
    "sequence": (
        *COMMON,
        ("linear", linear),
        ("layer norm", layer_norm),
        ("attention", attention),
        ("recurrence", recurrence),
        ("transpose", transpose),
        ("flatten", flatten),
        ("mean", mean),
    ),
}

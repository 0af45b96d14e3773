"""The layers that the fuzzer's models are made of: each adds itself to a `Chain`, fitted to the shape so far.

What they are and where they can stand is the grammar in fuzz_models.py.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

SIZES = (1, 2, 3, 4, 5, 7, 8, 11, 13, 16)
Shape = tuple[int, ...]


@dataclass
class Chain:
    """The model under construction: the shape after the layers so far, and the lines they need.

    `early` is the number of lines of `forward` before the one that keeps a value for a second output.
    """

    shape: Shape
    kind: str
    made: list[str] = field(default_factory=list)
    forward: list[str] = field(default_factory=list)
    used: list[str] = field(default_factory=list)
    early: int = 0

    def layer(self, constructor: str, call: str = "self.{name}(x)") -> None:
        """A submodule, and its use."""
        name = f"l{len(self.made)}"
        self.made.append(f"self.{name} = {constructor}")
        self.forward.append("x = " + call.format(name=name))


# -- layers of every kind --
ACTIVATIONS = (
    "torch.relu(x)",
    "nn.functional.leaky_relu(x, 0.1)",
    "nn.functional.elu(x)",
    "nn.functional.silu(x)",
    "nn.functional.gelu(x)",
    "nn.functional.softplus(x)",
    "nn.functional.hardswish(x)",
    "torch.tanh(x)",
    "torch.sigmoid(x)",
    "x.clamp(-0.5, 0.75)",
    "torch.where(x > 0, x, x / 3)",
)
FUNCTIONS = (
    "x.abs() - 0.25",
    "x * 0.3 + 1.0",
    "x * x",
    "x**3",
    "-x",
    "x / (1 + x.abs())",
    "2.0 / (x * x + 0.5)",
    "torch.exp(x)",
    "torch.exp2(x * 0.5)",
    "torch.expm1(x)",
    "torch.log(x.abs() + 0.1)",
    "torch.log1p(x.abs())",
    "torch.sqrt(x.abs())",
    "torch.rsqrt(x * x + 0.25)",
    "torch.sin(x)",
    "torch.cos(x)",
    "torch.minimum(x, x * 2)",
    "torch.erf(x)",
)


def activation(chain: Chain, rng: random.Random) -> None:
    """An activation function."""
    chain.forward.append(f"x = {rng.choice(ACTIVATIONS)}")


def function(chain: Chain, rng: random.Random) -> None:
    """Another elementwise function."""
    chain.forward.append(f"x = {rng.choice(FUNCTIONS)}")


def elementwise(chain: Chain, rng: random.Random) -> None:
    """Two to four elementwise functions."""
    for _ in range(rng.randint(2, 4)):
        chain.forward.append(f"x = {rng.choice((*ACTIVATIONS, *FUNCTIONS))}")


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
    how = rng.choice(("sum", "mean", "amax", "amin", "var"))
    chain.forward.append(f"x = x.{how}(1, keepdim=True)" if how != "var" else "x = x.var(1, False, keepdim=True)")
    chain.shape = (chain.shape[0], 1)


def gram(chain: Chain, rng: random.Random) -> None:
    """The rows' products with each other."""
    chain.forward.append("x = x @ x.transpose(0, 1)")
    chain.shape = (chain.shape[0], chain.shape[0])


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


def transposed_conv(chain: Chain, rng: random.Random) -> None:
    """A ConvTranspose2d."""
    batch, channels, *place = chain.shape
    out, taps, step = rng.choice((1, 2, 3)), rng.randint(1, 3), rng.randint(1, 2)
    chain.layer(f"nn.ConvTranspose2d({channels}, {out}, {taps}, stride={step}, bias={rng.random() < 0.7})")
    chain.shape = (batch, out, *((extent - 1) * step + taps for extent in place))


def group_norm(chain: Chain, rng: random.Random) -> None:
    """A GroupNorm."""
    channels = chain.shape[1]
    groups = rng.choice([g for g in range(1, channels + 1) if channels % g == 0])
    chain.layer(f"nn.GroupNorm({groups}, {channels})")


def global_average(chain: Chain, rng: random.Random) -> None:
    """The mean of each channel."""
    chain.forward.append("x = x.mean((2, 3))")
    chain.shape, chain.kind = chain.shape[:2], "vector"


def upsample(chain: Chain, rng: random.Random) -> None:
    """Every pixel twice in both directions, where that stays small."""
    if chain.shape[2] * chain.shape[3] <= 64:
        chain.forward.append("x = nn.functional.interpolate(x, scale_factor=2, mode='nearest')")
        chain.shape = (*chain.shape[:2], 2 * chain.shape[2], 2 * chain.shape[3])


def gate(chain: Chain, rng: random.Random) -> None:
    """Each channel scaled by a function of its mean."""
    chain.forward.append("x = x * torch.sigmoid(x.mean((2, 3), keepdim=True))")


def pad(chain: Chain, rng: random.Random) -> None:
    """A border of a constant, not the same on every side."""
    sides = [rng.randint(0, 2) for _ in range(4)]
    chain.forward.append(f"x = nn.functional.pad(x, {tuple(sides)}, value={rng.choice((0.0, 1.0, -0.5))})")
    chain.shape = (*chain.shape[:2], chain.shape[2] + sides[2] + sides[3], chain.shape[3] + sides[0] + sides[1])


# -- sequences --
def attention(chain: Chain, rng: random.Random) -> None:
    """Self-attention."""
    width = chain.shape[2]
    heads = rng.choice([h for h in (1, 2, 3, 4) if width % h == 0])
    chain.layer(f"nn.MultiheadAttention({width}, {heads}, batch_first=True)", "self.{name}(x, x, x)[0]")


def recurrence(chain: Chain, rng: random.Random) -> None:
    """An LSTM, GRU or plain recurrent network, some read from both ends."""
    size, both = rng.choice((1, 2, 3, 5)), rng.random() < 0.2
    kind = f"nn.{rng.choice(('LSTM', 'GRU', 'RNN'))}({chain.shape[2]}, {size}, batch_first=True, bidirectional={both})"
    chain.layer(kind, "self.{name}(x)[0]")
    chain.shape = (*chain.shape[:2], size * (1 + both))


STEPS = ("torch.tanh({0})", "x + torch.relu({0})", "0.5 * {0} - x", "torch.relu({0})")


def steps(chain: Chain, rng: random.Random) -> None:
    """A layer three to six times in a row: the same one, or an equal one each time."""
    width = chain.shape[-1]
    _in_a_row(chain, rng, f"nn.Linear({width}, {width})")


def conv_steps(chain: Chain, rng: random.Random) -> None:
    """A convolution that keeps the shape, three to six times in a row."""
    channels, taps = chain.shape[1], rng.choice((1, 3))
    _in_a_row(chain, rng, f"nn.Conv2d({channels}, {channels}, {taps}, padding={taps // 2})")


def _in_a_row(chain: Chain, rng: random.Random, constructor: str) -> None:
    count, call = rng.randint(3, 6), rng.choice(STEPS).format("self.{name}(x)")
    if rng.random() < 0.5:
        chain.layer(constructor, call)
        chain.forward += chain.forward[-1:] * (count - 1)
    else:
        for _ in range(count):
            chain.layer(constructor, call)


def transpose(chain: Chain, rng: random.Random) -> None:
    """Length and width exchanged."""
    chain.forward.append("x = x.transpose(1, 2)")
    chain.shape = (chain.shape[0], chain.shape[2], chain.shape[1])


def causal_attention(chain: Chain, rng: random.Random) -> None:
    """Attention of each place to those before it."""
    chain.forward.append("x = nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True)")


def conv1d(chain: Chain, rng: random.Random) -> None:
    """A Conv1d along the sequence, the width its channels."""
    batch, length, width = chain.shape
    out, taps, padding = rng.choice((1, 2, 4)), rng.randint(1, min(3, length)), rng.choice((0, 1))
    chain.layer(
        f"nn.Conv1d({width}, {out}, {taps}, padding={padding})", "self.{name}(x.transpose(1, 2)).transpose(1, 2)"
    )
    chain.shape = (batch, length + 2 * padding - taps + 1, out)


def positional_bias(chain: Chain, rng: random.Random) -> None:
    """A parameter added to every element of a batch."""
    chain.layer(f"nn.Parameter(torch.randn({chain.shape[1]}, {chain.shape[2]}))", "x + self.{name}")


def flip(chain: Chain, rng: random.Random) -> None:
    """The sequence backwards."""
    chain.forward.append("x = x.flip(1)")


def embedding(chain: Chain, words: int, width: int) -> None:
    """A table looked up by integers."""
    chain.layer(f"nn.Embedding({words}, {width})")
    chain.used.append("embedding")
    chain.shape, chain.kind = (*chain.shape, width), "sequence"


def mean(chain: Chain, rng: random.Random) -> None:
    """The mean over the sequence."""
    chain.forward.append("x = x.mean(1)")
    chain.shape, chain.kind = (chain.shape[0], chain.shape[2]), "vector"


Build = Callable[[Chain, random.Random], None]
ANY: tuple[tuple[str, Build], ...] = (("activation", activation), ("function", function), ("chain", elementwise))
LAYERS: dict[str, tuple[tuple[str, Build], ...]] = {
    "vector": (
        ("linear", linear),
        ("linear", linear),
        ("layer norm", layer_norm),
        ("softmax", softmax),
        ("residual", residual),
        ("layers in a row", steps),
        ("slice", cut),
        ("concatenation", concatenate),
        ("row reduction", row_reduction),
        ("gram matrix", gram),
    ),
    "image": (
        ("convolution", conv),
        ("convolution", conv),
        ("batch norm", batch_norm),
        ("transposed convolution", transposed_conv),
        ("group norm", group_norm),
        ("convolutions in a row", conv_steps),
        ("pooling", pool),
        ("global average", global_average),
        ("upsampling", upsample),
        ("channel gate", gate),
        ("padding", pad),
        ("softmax", softmax),
        ("flatten", flatten),
    ),
    "sequence": (
        ("linear", linear),
        ("layer norm", layer_norm),
        ("attention", attention),
        ("causal attention", causal_attention),
        ("recurrence", recurrence),
        ("layers in a row", steps),
        ("convolution 1d", conv1d),
        ("positional bias", positional_bias),
        ("flip", flip),
        ("transpose", transpose),
        ("flatten", flatten),
        ("mean", mean),
    ),
}

"""A fuzzer's model under construction, and the layers that fit tensors of every kind.

Each layer adds itself to a `Chain`, fitted to the shape so far. Which there are is the grammar in fuzz_models.py.
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

    `early` is the number of lines of `forward` before the one that keeps a value for a second output, `points` those
    before each layer, with the shape there.
    """

    shape: Shape
    kind: str
    made: list[str] = field(default_factory=list)
    forward: list[str] = field(default_factory=list)
    used: list[str] = field(default_factory=list)
    early: int = 0
    points: list[tuple[int, Shape]] = field(default_factory=list)

    def layer(self, constructor: str, call: str = "self.{name}(x)") -> None:
        """A submodule, and its use."""
        name = f"l{len(self.made)}"
        self.made.append(f"self.{name} = {constructor}")
        self.forward.append("x = " + call.format(name=name))

    def keep(self, point: tuple[int, Shape]) -> str:
        """A name for the value that x had at a point."""
        line, name = point[0], f"k{len(self.forward)}"
        self.forward.insert(line, f"{name} = x")
        self.points = [(at + (at > line), shape) for at, shape in self.points]
        self.early += self.early > line
        return name


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


def join(chain: Chain, rng: random.Random) -> None:
    """Joined with what x was before an earlier layer, where that has the same shape, or the same but for channels."""
    alike = [point for point in chain.points if len(point[1]) == len(chain.shape)]
    same = [point for point in alike if point[1] == chain.shape]
    beside = [point for point in alike if (point[1][0], point[1][2:]) == (chain.shape[0], chain.shape[2:])]
    if same and rng.random() < 0.7:
        kept = chain.keep(rng.choice(same))
        chain.forward.append(f"x = {rng.choice(('x + {}', '{} - x', 'x * {}', 'torch.maximum(x, {})')).format(kept)}")
    elif beside:
        point = rng.choice(beside)
        chain.forward.append(f"x = torch.cat([{chain.keep(point)}, x], 1)")
        chain.shape = (chain.shape[0], chain.shape[1] + point[1][1], *chain.shape[2:])


def injection(chain: Chain, rng: random.Random) -> None:
    """Steps that all read what the first one started from."""
    turned = rng.choice(("x", "x.flip(1)", "x.roll(1, -1)", "x * 0.5"))
    chain.forward.append("start = x")
    chain.forward += [f"x = torch.{rng.choice(('sin', 'tanh', 'relu'))}({turned}) + start"] * rng.randint(3, 6)


def patches(chain: Chain, rng: random.Random) -> None:
    """Parts of the second dimension replaced one after the other; they may overlap, and read what they replaced."""
    size = chain.shape[1]
    width = rng.randint(1, min(3, size))
    count, read = rng.randint(1, min(5, size - width + 1)), rng.choice(("x", "x", "z"))
    stride = rng.randint(1, max(1, (size - width) // count))
    first = rng.randint(0, size - width - stride * (count - 1))
    part = f"[:, {{0}} : {{0}} + {width}]"
    chain.forward += [
        "z = x * 1.5",
        f"for t in range({count}):",
        f"    z{part.format(f'{first} + {stride} * t')} = torch.relu({read}{part.format(f't * {stride}')}) - 0.5",
        "x = z",
    ]


def ordering(chain: Chain, rng: random.Random) -> None:
    """Sorted, or sums or extremes so far, along any dimension but the first."""
    along = rng.randrange(1, len(chain.shape))
    if chain.shape[along] > 1:
        how = ("sort({0})[0]", "sort({0}, descending=True)[0]", "cumsum({0})", "cummax({0})[0]", "cummin({0})[0]")
        chain.forward.append(f"x = x.{rng.choice(how).format(along)}")


def rearranged(chain: Chain, rng: random.Random) -> None:
    """Rolled, turned, or picked by a list of places, along the second dimension."""
    size = chain.shape[1]
    places = [rng.randrange(size) for _ in range(rng.randint(1, 6))]
    how = rng.choice((f"x.roll({rng.randint(-2, 2)}, 1)", "x.flip(1)", f"x[:, {places}]"))
    chain.forward.append(f"x = {how}")
    if how.startswith("x["):
        chain.shape = (chain.shape[0], len(places), *chain.shape[2:])


STEPS = ("torch.tanh({0})", "x + torch.relu({0})", "0.5 * {0} - x", "torch.relu({0})")


def steps(chain: Chain, rng: random.Random) -> None:
    """A layer three to six times in a row: the same one, or an equal one each time."""
    width = chain.shape[-1]
    in_a_row(chain, rng, f"nn.Linear({width}, {width})")


def in_a_row(chain: Chain, rng: random.Random, constructor: str) -> None:
    """Adds 3 to 6 equal layers, with one set of weights or with one each."""
    count, call = rng.randint(3, 6), rng.choice(STEPS).format("self.{name}(x)")
    if rng.random() < 0.5:
        chain.layer(constructor, call)
        chain.forward += chain.forward[-1:] * (count - 1)
    else:
        for _ in range(count):
            chain.layer(constructor, call)


Build = Callable[[Chain, random.Random], None]
ANY: tuple[tuple[str, Build], ...] = (
    ("activation", activation),
    ("activation", activation),
    ("function", function),
    ("function", function),
    ("chain", elementwise),
    ("chain", elementwise),
    ("join", join),
    ("join", join),
    ("injection", injection),
    ("patches", patches),
    ("ordering", ordering),
    ("rearranged", rearranged),
)

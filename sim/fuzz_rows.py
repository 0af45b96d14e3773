"""Layers of the fuzzer's models that fit vectors and sequences; what there is, is the grammar in fuzz_models.py."""

from __future__ import annotations

import random

from torch2hw.sim.fuzz_layers import Build, Chain, flatten, layer_norm, linear, residual, softmax, steps


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


def windows(chain: Chain, rng: random.Random) -> None:
    """Every stretch of a few elements, and one number for each."""
    size = chain.shape[1]
    width = rng.randint(1, min(4, size))
    step = rng.randint(1, 3)
    chain.forward.append(f"x = x.unfold(1, {width}, {step}).{rng.choice(('sum', 'amax', 'mean'))}(2)")
    chain.shape = (chain.shape[0], (size - width) // step + 1)


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


def scan(chain: Chain, rng: random.Random) -> None:
    """A state that decays, written out step by step, and all states or the last one."""
    batch, length, width = chain.shape
    chain.forward += [
        "h, states = torch.zeros_like(x[:, 0]), []",
        f"for t in range({length}):",
        f"    h = {rng.choice(('0.75 * h + x[:, t]', 'torch.tanh(h - x[:, t])', 'torch.maximum(h, x[:, t]) * 0.5'))}",
        "    states.append(h)",
    ]
    if rng.random() < 0.7:
        chain.forward.append("x = torch.stack(states, 1)")
    else:
        chain.forward.append("x = h")
        chain.shape, chain.kind = (batch, width), "vector"


def root_mean_square(chain: Chain, rng: random.Random) -> None:
    """Divided by the root of the mean square."""
    chain.forward.append("x = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5)")


def cross_attention(chain: Chain, rng: random.Random) -> None:
    """Attention to learnt keys and values, which are fewer or more than the sequence is long."""
    count, width = rng.choice((1, 2, 3, 5)), chain.shape[2]
    chain.layer(f"nn.Parameter(torch.randn({count}, {width}))", "torch.softmax(x @ self.{name}.T, -1) @ self.{name}")


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


VECTORS: tuple[tuple[str, Build], ...] = (
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
    ("windows", windows),
)
SEQUENCES: tuple[tuple[str, Build], ...] = (
    ("linear", linear),
    ("layer norm", layer_norm),
    ("root mean square", root_mean_square),
    ("attention", attention),
    ("causal attention", causal_attention),
    ("cross attention", cross_attention),
    ("recurrence", recurrence),
    ("scan", scan),
    ("layers in a row", steps),
    ("convolution 1d", conv1d),
    ("positional bias", positional_bias),
    ("flip", flip),
    ("transpose", transpose),
    ("flatten", flatten),
    ("mean", mean),
)

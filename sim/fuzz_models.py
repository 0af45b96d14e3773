"""Random models as Python files: `source(seed)` is the text of a model file, the same on every machine.

Grammar (a model is a chain of 1 to 5 layers over one of four kinds of tensor; sizes are small, often 1 or prime):

    model     = input layer* output
    input     = x | x, y of one shape, joined by +, -, · or maximum
    output    = x | x and what an earlier layer computed | a dictionary of both
    vector    [B, F]        linear, layer norm, softmax, residual, slice with a step, concatenation, row reduction
                            (sum, mean, maximum, minimum, variance), windows, matrix product with its own transpose, one
                            linear layer or equal ones several times in a row
    image     [B, C, H, W]  convolution (kernel, stride, padding, dilation, groups), transposed convolution, depthwise
                            convolution, batch, group and instance norm, maximum, average and adaptive pooling, global
                            average, nearest and bilinear upsampling, channel gate, padding by constants and by pixels,
                            pixel and channel shuffle, softmax, flatten, convolutions in a row
    sequence  [B, L, D]     linear, layer norm, root mean square, multi-head, causal and cross attention, LSTM, GRU,
                            RNN, a scan written out, one-dimensional convolution, positional bias, transpose, flip,
                            mean, flatten, linear layers in a row
    tokens    [B, L]        of integers: arithmetic on them, then an embedding makes a sequence of them
    any       activation (ReLU, LeakyReLU, ELU, SiLU, GELU, softplus, hard swish, tanh, sigmoid, clamp), function (exp,
              log, square root, its reciprocal, sine, cosine, powers, quotients), chain of two to four of these; join
              with an earlier value (+, -, ·, maximum, concatenation), injection (steps that all read where they
              started), patches (parts replaced one after the other), ordering (sort, sums and extremes so far),
              rearranged (roll, flip, places from a list)

Each layer draws from a generator of its own, seeded by the model's seed and the layer's number: a chain with a layer
left out (`without`) keeps its other layers, fitted to the shapes that they now get. That is what shrinking does.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection

from torch2hw.sim.fuzz_images import IMAGES
from torch2hw.sim.fuzz_layers import ANY, SIZES, Chain, Shape
from torch2hw.sim.fuzz_rows import SEQUENCES, VECTORS, embedding

LAYERS = {"vector": VECTORS, "image": IMAGES, "sequence": SEQUENCES}
WHOLE = ("(x * 3 + 1) % {}", "x // 2", "torch.where(x > 1, x, 0)", "x.cumsum(1) % {}", "x.sort(1)[0]", "x.flip(1)")
MAX_LAYERS = 5
LENGTHS = (*(1,) * 10, *(2,) * 8, 3, 3, 3, 4, 5)  # most are short: they cost less, and find what long ones find


def source(seed: int, without: Collection[int] = ()) -> str:
    """The model file of a seed, layers `without` left out."""
    rng = random.Random(f"torch2hw {seed}")
    kind = rng.choice(("vector", "image", "sequence", "image", "sequence", "tokens"))
    shapes: dict[str, Callable[[], Shape]] = {
        "vector": lambda: (rng.choice((1, 2, 3, 5)), rng.choice(SIZES)),
        "image": lambda: (rng.choice((1, 1, 2)), rng.choice((1, 2, 3, 4)), rng.randint(1, 11), rng.randint(1, 11)),
        "sequence": lambda: (rng.choice((1, 1, 2)), rng.choice((1, 2, 3, 5)), rng.choice((2, 3, 4, 6, 8))),
        "tokens": lambda: (rng.choice((1, 1, 2)), rng.choice((1, 2, 3, 5))),
    }
    shape = shapes[kind]()
    inputs, arguments = f"torch.randn({', '.join(map(str, shape))})", "x"
    chain = Chain(shape, kind)
    if kind == "tokens":
        words = rng.choice((2, 5, 11))
        inputs = f"torch.randint(0, {words}, {shape})"
        chain.forward += [f"x = {rng.choice(WHOLE).format(words)}" for _ in range(rng.choice((0, 0, 1, 2)))]
        embedding(chain, words, rng.choice((2, 3, 4, 6)))
    elif rng.random() < 0.15:
        inputs, arguments = f"{inputs}, {inputs}", "x, y"
        chain.forward.append(f"x = {rng.choice(('x + y', 'x - y', 'x * y', 'torch.maximum(x, y)'))}")
        chain.used.append("two inputs")
    ending = rng.choice(("x", "x", "x", "x", "x", "x, early", '{"last": x, "early": early}'))
    early = rng.randrange(MAX_LAYERS)
    for number in range(rng.choice(LENGTHS)):
        if ending != "x" and number <= early:
            chain.early = len(chain.forward)
        if number not in without:
            own = random.Random(f"torch2hw {seed} {number}")
            chain.points.append((len(chain.forward), chain.shape))
            name, build = own.choice((*ANY, *LAYERS[chain.kind]))
            chain.used.append(name)
            build(chain, own)
    if ending != "x":
        chain.forward.insert(chain.early, "early = x * 1.5" if chain.early == 0 else "early = x")
        chain.used.append("two outputs")
    lines = [
        f'"""Model {seed} of torch2hw\'s fuzzer: {", ".join(chain.used) or "nothing"}."""',
        "import torch",
        "from torch import nn",
        "",
        "",
        "class Model(nn.Module):",
        "    def __init__(self):",
        "        super().__init__()",
        *(f"        {line}" for line in chain.made),
        "",
        f"    def forward(self, {arguments}):",
        *(f"        {line}" for line in chain.forward),
        f"        return {ending}",
        "",
        "",
        f"torch.manual_seed({seed})",
        "model = Model()",
        f"example_inputs = ({inputs},)",
    ]
    return "\n".join(lines) + "\n"


def kinds(text: str) -> tuple[str, ...]:
    """The layers of a model file, as its first line names them."""
    return tuple(text.splitlines()[0].partition(": ")[2].rstrip('."').split(", "))

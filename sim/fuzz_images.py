"""Layers of the fuzzer's models that fit images; what there is, is the grammar in fuzz_models.py."""

from __future__ import annotations

import random

from torch2hw.sim.fuzz_layers import Build, Chain, flatten, in_a_row, softmax


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


def conv_steps(chain: Chain, rng: random.Random) -> None:
    """A convolution that keeps the shape, three to six times in a row."""
    channels, taps = chain.shape[1], rng.choice((1, 3))
    in_a_row(chain, rng, f"nn.Conv2d({channels}, {channels}, {taps}, padding={taps // 2})")


def depthwise(chain: Chain, rng: random.Random) -> None:
    """A convolution of each channel by itself, then one of every pixel: both keep the place."""
    channels, out, taps = chain.shape[1], rng.choice((1, 2, 3)), rng.choice((1, 3))
    chain.layer(f"nn.Conv2d({channels}, {channels}, {taps}, padding={taps // 2}, groups={channels})")
    chain.layer(f"nn.Conv2d({channels}, {out}, 1, bias={rng.random() < 0.5})")
    chain.shape = (chain.shape[0], out, *chain.shape[2:])


def instance_norm(chain: Chain, rng: random.Random) -> None:
    """An InstanceNorm2d, where a channel has more than one pixel."""
    if chain.shape[2] * chain.shape[3] > 1:
        chain.layer(f"nn.InstanceNorm2d({chain.shape[1]}, affine={rng.random() < 0.5})")


def interpolation(chain: Chain, rng: random.Random) -> None:
    """Another size by bilinear interpolation, where that stays small."""
    size = tuple(max(1, min(12, extent * 2 + rng.choice((0, 0, 0, -1)))) for extent in chain.shape[2:])
    if size[0] * size[1] <= 100:
        chain.forward.append(
            f"x = nn.functional.interpolate(x, {size}, mode='bilinear', align_corners={rng.random() < 0.3})"
        )
        chain.shape = (*chain.shape[:2], *size)


def mirror(chain: Chain, rng: random.Random) -> None:
    """A border of pixels from inside: mirrored, repeated or from the other side."""
    left, right, top, bottom = (rng.randint(0, min(2, chain.shape[k] - 1)) for k in (3, 3, 2, 2))
    how = rng.choice(("reflect", "replicate", "circular"))
    chain.forward.append(f"x = nn.functional.pad(x, {(left, right, top, bottom)}, mode='{how}')")
    chain.shape = (*chain.shape[:2], chain.shape[2] + top + bottom, chain.shape[3] + left + right)


def shuffle(chain: Chain, rng: random.Random) -> None:
    """Channels to pixels or pixels to channels where they divide, else channels exchanged."""
    batch, channels, height, width = chain.shape
    if channels % 4 == 0 and height * width <= 30:
        chain.forward.append("x = nn.functional.pixel_shuffle(x, 2)")
        chain.shape = (batch, channels // 4, height * 2, width * 2)
    elif height % 2 == 0 and width % 2 == 0:
        chain.forward.append("x = nn.functional.pixel_unshuffle(x, 2)")
        chain.shape = (batch, channels * 4, height // 2, width // 2)
    else:
        groups = rng.choice([g for g in range(1, channels + 1) if channels % g == 0])
        chain.forward.append(f"x = nn.functional.channel_shuffle(x, {groups})")


def adaptive_pool(chain: Chain, rng: random.Random) -> None:
    """The mean or the largest of each of a given number of parts."""
    size = tuple(rng.randint(1, extent) for extent in chain.shape[2:])
    chain.forward.append(f"x = nn.functional.adaptive_{rng.choice(('avg', 'max'))}_pool2d(x, {size})")
    chain.shape = (*chain.shape[:2], *size)


IMAGES: tuple[tuple[str, Build], ...] = (
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
    ("depthwise", depthwise),
    ("instance norm", instance_norm),
    ("interpolation", interpolation),
    ("mirrored border", mirror),
    ("shuffle", shuffle),
    ("adaptive pooling", adaptive_pool),
    ("padding", pad),
    ("softmax", softmax),
    ("flatten", flatten),
)

"""What the paper publishes for its models, and what we want of them.

Source: the tables of "From PyTorch to Calyx" (Alveo U50, Vivado and Vitis 2023.2). Latency is in µs at a clock that
the paper does not state, and so is not comparable with cycles; neither does it state FFNN's batch and MHA's length,
which at about 108 ns a multiply-accumulate were 64 and about 100. A target of cycles is for `go` to `done`.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Area:
    """LUT, FF, DSP and BRAM36; None where nothing is said."""

    lut: int | None = None
    ff: int | None = None
    dsp: int | None = None
    bram36: float | None = None


@dataclass(frozen=True)
class Published:
    """One row of the paper: latency in µs and area, of Vitis HLS and of the paper's own flow."""

    vitis_us: float
    paper_us: float
    vitis: Area
    paper: Area


@dataclass(frozen=True)
class Benchmark:
    """A model of `examples/`, with what is published and wanted at each partition factor."""

    name: str
    file: str
    cycles: dict[int, int]
    area: dict[int, Area] = field(default_factory=dict)
    published: dict[int, Published] = field(default_factory=dict)


BENCHMARKS = (
    Benchmark(
        "FFNN batch 64",
        "ffnn.py",
        {1: 213_000, 2: 54_000, 4: 14_000},
        {1: Area(1000, 1281, 3, 9), 2: Area(3000, 4036, 8, 10), 4: Area(9000, 12000, 32, 20)},
        {
            1: Published(14590, 22475, Area(2011, 1281, 5, 43), Area(3730, 742, 6, 9)),
            2: Published(7908, 9378, Area(6021, 4036, 7, 39), Area(13197, 3145, 20, 10)),
            4: Published(6813, 3078, Area(13799, 15083, 80, 64), Area(49121, 10657, 69, 20)),
        },
    ),
    Benchmark("FFNN batch 1", "ffnn_batch1.py", {1: 3_500, 2: 960, 4: 300}),
    Benchmark(
        "CNN",
        "cnn.py",
        {1: 2_630_000, 2: 675_000, 4: 180_000},
        {1: Area(1570, 1815, 3, 43)},
        {1: Published(66860, 281315, Area(3136, 1815, 5, 213), Area(4574, 1223, 14, 43))},
    ),
    Benchmark("MHA L=16", "mha16.py", {1: 150_000, 2: 40_000, 4: 11_500}),
    Benchmark(
        "MHA L=100",
        "mha100.py",
        {1: 1_640_000, 2: 440_000, 4: 125_000},
        {1: Area(3920, 4017, 10, 71)},
        {1: Published(97100, 175770, Area(7846, 4017, 19, 194), Area(33312, 5561, 67, 71))},
    ),
)

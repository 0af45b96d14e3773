"""What others publish for models that a sweep may hold: figures to stand beside ours, with what they do not say.

A model is told by its size: multiply-accumulates, and words of its inputs and outputs, in float32. So a model of
another file is compared too, if it computes as much on as much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch2hw.explore.paper import BENCHMARKS, Area

Row = dict[str, Any]
PAPER_NOTE = (
    "published: From PyTorch to Calyx, tables I to IV: Alveo U50, Vivado and Vitis 2023.2. Neither the clock, nor the "
    "FFNN's batch and the attention's length are stated: 64 and 100 are our reading of its latencies. Vitis HLS's "
    "latency is its own estimate; pragmas but ARRAY_PARTITION were off."
)
STREAM_NOTE = "published: Stream-HLS (FPGA 2025), float32 by Vitis HLS; not bit-exact"
NNGEN_NOTE = (
    "measured with NNgen 1.3.4 in 2026-11 and Yosys as ours: 16-bit integers, where ours are float32; "
    "its parallelism stands for N"
)
AUTOSA_NOTE = "estimate: 483 LUT and 5 DSP a multiply-accumulate, as AutoSA publishes for a systolic array on a U250"
AUTOSA_LUTS, AUTOSA_DSPS = 483, 5


@dataclass(frozen=True)
class Size:
    """Multiply-accumulates, and words of input and output."""

    macs: int
    io_words: int


SIZES = {
    "FFNN batch 64": Size(208_896, 64 * 64 + 64 * 4),
    "CNN": Size(2_473_344, 3 * 80 * 60 + 2),
    "MHA L=100": Size(1_545_600, 2 * 100 * 42),
}
"""Of the paper's models."""


@dataclass(frozen=True)
class Kernel:
    """A published design: cycles, and DSPs."""

    size: Size
    cycles: int
    dsp: int
    lut: int | None = None
    ff: int | None = None
    partition: int | None = None


GEMM = Size(200 * 240 * 220, 200 * 240 + 240 * 220 + 200 * 220)
STREAM_HLS = (
    Kernel(GEMM, 70_496, 834),
    Kernel(GEMM, 24_051, 2_552),
    Kernel(Size(2 * 512 * 128 * 256, 2 * 512 * 128), 524_365, 320),
    Kernel(Size(4 * 64 * 128 * 128 + 2 * 64 * 64 * 128, 2 * 64 * 128), 401_681, 739),
)
"""GEMM, feed-forward 512×(128→256→128), attention L=64 d=128 h=8."""
NNGEN = (
    Kernel(Size(3264, 68), 4_057, 5, 5_352, 7_231, 1),
    Kernel(Size(3264, 68), 1_065, 32, 9_790, None, 4),
    Kernel(Size(2_473_344, 14_402), 198_425, 29, 29_206, None, 1),
)


def paper(points: Sequence[Mapping[str, Any]], column: str) -> list[Row]:
    """Rows of the paper's flow (`paper`) or of Vitis HLS as it publishes it (`vitis`), for the models in `points`."""
    flow = "the paper (published)" if column == "paper" else "Vitis HLS (published)"
    rows = []
    for benchmark in BENCHMARKS:
        model = _model(points, SIZES.get(benchmark.name))
        for n, figures in benchmark.published.items() if model is not None else ():
            area: Area = getattr(figures, column)
            told = {"partition": n, "latency_us": getattr(figures, f"{column}_us"), **vars(area)}
            rows.append(_row(flow, str(model), told, PAPER_NOTE))
    return rows


def kernels(points: Sequence[Mapping[str, Any]], flow: str, designs: Sequence[Kernel], note: str) -> list[Row]:
    """Rows of published designs of the sizes that `points` have."""
    rows = []
    for design in designs:
        model = _model(points, design.size)
        if model is not None:
            told = {name: getattr(design, name) for name in ("partition", "cycles", "lut", "ff", "dsp")}
            rows.append(_row(flow, model, told, note))
    return rows


def autosa(points: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Resources of systolic arrays with as many lanes."""
    lanes = {(point["model"], point["partition"]): point.get("mac_lanes") for point in points}
    return [
        _row(
            "AutoSA (estimate)",
            model,
            {"partition": n, "lut": AUTOSA_LUTS * count, "dsp": AUTOSA_DSPS * count},
            AUTOSA_NOTE,
        )
        for (model, n), count in lanes.items()
        if count
    ]


def ideal(points: Sequence[Mapping[str, Any]]) -> list[Row]:
    """A machine whose lanes do a multiply-accumulate in every cycle, at the clock of each point."""
    found = {}
    for point in points:
        if point.get("macs") and point.get("mac_lanes"):
            cycles = -(-point["macs"] // point["mac_lanes"])
            latency = round(cycles * point["clock_ns"] / 1000, 4)
            told = {"partition": point["partition"], "cycles": cycles, "latency_us": latency}
            key = point["model"], point["partition"], point["clock_ns"], cycles
            found[key] = _row("ideal", point["model"], told, "computed: multiply-accumulates over lanes", False)
    return list(found.values())


def _model(points: Sequence[Mapping[str, Any]], size: Size | None) -> str | None:
    """The name of the model of that size."""
    for point in points:
        if size is not None and (point.get("macs"), point.get("io_words")) == (size.macs, size.io_words):
            return str(point["model"])
    return None


def _row(flow: str, model: str, given: Mapping[str, Any], note: str, published: bool = True) -> Row:
    n = given.get("partition")
    label = f"{model} {flow}" + ("" if n is None else f" N={n}")
    figures = {key: value for key, value in given.items() if value is not None}
    return {
        "flow": flow,
        "model": model,
        "series": model,
        "label": label,
        **figures,
        "published": published,
        "note": note,
    }

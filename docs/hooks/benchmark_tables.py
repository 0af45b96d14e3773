"""What was measured: one table against the paper and Vitis HLS, and the files of `benchmarks/`."""

from __future__ import annotations

import json
import re
from pathlib import Path

from torch2hw.explore.paper import BENCHMARKS

FOLDER = Path(__file__).parents[2] / "benchmarks"
FILES = {  # in the order of the page; each begins with a heading
    "results.md": "Paper models",
    "examples.md": "Examples",
    "kernels.md": "Kernels of Stream-HLS",
    "lane_use.md": "Use of the lanes",
    "searches.md": "Searches",
    "nngen.md": "NNgen",
    "ablation.md": "Sequential schedule",
    "area.md": "LUTs over lanes",
    "formats.md": "Number formats and sums",
    "quantised.md": "Quantised models",
    "networks.md": "Small networks in number formats",
    "accuracy.md": "Accuracy in number formats",
    "streams.md": "Streams",
    "packages.md": "Packages",
    "bus_proofs.md": "Proofs about wrappers",
    "training.md": "Training",
    "compile_time.md": "Compile time",
    "simulate_time.md": "Time of a simulation",
    "units.md": "Hardware units",
    "evidence.md": "Evidence for the units",
    "netlists.md": "Netlists and unknown state",
    "testbenches.md": "Test benches",
    "replays.md": "Replays of dumps",
    "onnx_models.md": "ONNX models",
    "native_calyx.md": "The native Calyx compiler",
    "fuzz.md": "Fuzzer",
    "mutations.md": "Planted faults",
    "bus_faults.md": "Planted faults in wrappers",
}


def comparison() -> str:
    """Resources of every design of which the paper gives them: ours, the paper's, Vitis HLS's. README has it, too."""
    points = {(p["model"], p["partition"]): p for p in json.loads((FOLDER / "results.json").read_text())["points"]}
    lines = [
        "| | cycles | LUT: ours | paper | Vitis | DSP: ours | paper | Vitis | BRAM36: ours | paper | Vitis |",
        "| --- " + "| ---: " * 10 + "|",
    ]
    for benchmark in BENCHMARKS:
        for n, published in benchmark.published.items():
            point = points[benchmark.name, n]
            cells = [f"{benchmark.name}, N&nbsp;=&nbsp;{n}", f"{point['cycles']:,}"]
            for key in ("lut", "dsp", "bram36"):
                figures = point[key], getattr(published.paper, key), getattr(published.vitis, key)
                cells += [f"**{figures[0]:,}**", *(f"{figure:,}" for figure in figures[1:])]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def files() -> str:
    """The files, each under a heading of the page, its own headings one level lower."""
    parts = []
    for name, title in FILES.items():
        text = (FOLDER / name).read_text()
        first, _, rest = text.partition("\n")
        assert first.startswith("# "), name
        rest = re.sub(r"^(#+) ", r"#\1 ", rest, flags=re.MULTILINE)
        rest = re.sub(r"\[([^\]]+)\]\((\w+)\.md\)", r"\1", rest)
        parts.append(f"## {title}\n\n*`benchmarks/{name}`: {first[2:]}.*\n{rest}")
    return "\n\n".join(parts)

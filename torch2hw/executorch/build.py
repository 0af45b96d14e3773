"""`python -m torch2hw.executorch.build DIR`: what the C++ backend calls before the first run of a part.

DIR holds design.zip. This unpacks and builds it (Verilated once, in the cache) and writes two files: DIR/program
has the path of the bench's program. DIR/layout has words of 64 bits: latency, budget, then for inputs and for outputs
their number, and for each its elements and their addresses.
"""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import numpy as np

from torch2hw.executorch.names import MANIFEST
from torch2hw.sim.manifest import Manifest
from torch2hw.sim.verilator import build


def main(place: Path) -> None:
    """Prepares `place`."""
    with zipfile.ZipFile(place / "design.zip") as archive:
        archive.extractall(place)
    manifest = Manifest.from_json(json.loads((place / MANIFEST).read_text()))
    (place / "program").write_text(str(build(place, manifest, fast_build=True)))
    latency = manifest.latency_cycles or 0
    words = [np.array([latency, 4 * latency + 1000], np.uint64)]
    for ports in (manifest.inputs, manifest.observed):
        words.append(np.array([len(ports)], np.uint64))
        for port in ports:
            addresses = port.addresses()
            words += [np.array([addresses.size], np.uint64), addresses]
    np.concatenate(words).astype("<u8").tofile(place / "layout")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

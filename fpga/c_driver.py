"""The driver in C99 of a package: of an axi design's registers, or of the DMA engines around an axis design's streams.

Texts in package_files/ have @WORDS@ for what a design decides: names, sizes, offsets. What is named after a tensor ends
in _INDEX, _BYTES, _PADDED or _OFFSET, and nothing else does: a tensor may have the name of a function.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from torch2hw.dialects.bus_registers import address_register
from torch2hw.fpga.boards import Board


def c_driver(top: str, told: dict[str, Any], board: Board) -> dict[str, str]:
    """The files by their paths."""
    entries = [*told["inputs"], *told["outputs"]]
    beat_bytes, names = told["data_bits"] // 8, [f"{top}_{entry['name']}" for entry in entries]
    words = {
        "TOP": top,
        "BEAT_BYTES": str(beat_bytes),
        "TENSORS": str(len(entries)),
        "NUMBERS": ", ".join(f"{name}_INDEX = {k}" for k, name in enumerate(names)),
    }
    if told["interface"] == "axi":
        assert all(entry["address_register"] == address_register(k) for k, entry in enumerate(entries))
        kind = "driver"
        words["BYTES"] = _defines(names, "BYTES", [entry["bytes"] for entry in entries])
        words["OFFSETS"] = ", ".join(f"{name}_address_OFFSET" for name in names)
    else:
        kind, padded = "stream_driver", [entry["stream"]["beats"] * beat_bytes for entry in entries]
        sizes = [math.prod(entry["shape"]) * entry["stream"]["element_bits"] // 8 for entry in entries]
        words["BYTES"] = f"{_defines(names, 'BYTES', sizes)}\n{_defines(names, 'PADDED', padded)}"
        words["SIZES"], words["PADDED"] = (
            ", ".join(f"{name}_{suffix}" for name in names) for suffix in ("BYTES", "PADDED")
        )
        ways = ["FROM_MEMORY"] * len(told["inputs"]) + ["TO_MEMORY"] * len(told["outputs"])
        words["CHANNELS"] = ", ".join(ways)
        words["ADDRESS_BITS"] = str(board.address_bits)
        words["ENGINES"] = ", ".join(f"dma_{entry['name']}" for entry in entries)
    texts = {}
    for suffix in ("h", "c"):
        text = package_file(f"{kind}.{suffix}")
        for name, value in words.items():
            text = text.replace(f"@{name}@", value)
        texts[f"driver/{top}_driver.{suffix}"] = text
    return texts


def _defines(names: Sequence[str], suffix: str, values: Sequence[int]) -> str:
    return "\n".join(f"#define {name}_{suffix} {value}u" for name, value in zip(names, values, strict=True))


def package_file(name: str) -> str:
    """A text of package_files/."""
    return (files("torch2hw.fpga") / "package_files" / name).read_text()

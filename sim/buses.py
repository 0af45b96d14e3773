"""The manifest of a design that fetches its inputs from memory and writes its outputs there (docs/interfaces.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from torch2hw.sim.streams import StreamPort


@dataclass(frozen=True)
class BusTensor:
    """A tensor in memory, as the beats in which it moves, and the register of its address."""

    port: StreamPort
    address_register: int

    @property
    def name(self) -> str:
        """Its name in the manifest."""
        return self.port.name

    @property
    def dtype(self) -> str:
        """Its stored type."""
        return self.port.dtype


@dataclass(frozen=True)
class BusManifest:
    """The manifest of a design whose interface is axi. `registers`: the offset of each by its name."""

    top: str
    files: tuple[str, ...]
    memory_files: tuple[str, ...]
    data_bits: int
    latency_cycles: int
    run_cycles: int
    interval_cycles: int
    inputs: tuple[BusTensor, ...]
    outputs: tuple[BusTensor, ...]
    registers: Mapping[str, int]

    @staticmethod
    def from_json(manifest: Mapping[str, Any]) -> BusManifest:
        """The record of a manifest whose interface is axi; an assertion fails for others."""
        assert (manifest["manifest"], manifest["interface"]) == (1, "axi")
        width = manifest["data_bits"]
        return BusManifest(
            top=manifest["top"],
            files=tuple(manifest["files"]),
            memory_files=tuple(manifest["memory_files"]),
            data_bits=width,
            latency_cycles=manifest["latency_cycles"],
            run_cycles=manifest["run_cycles"],
            interval_cycles=manifest["interval_cycles"],
            inputs=tuple(_tensor(entry, width) for entry in manifest["inputs"]),
            outputs=tuple(_tensor(entry, width) for entry in manifest["outputs"]),
            registers={entry["name"]: entry["offset"] for entry in manifest["registers"]},
        )


def _tensor(entry: Mapping[str, Any], data_bits: int) -> BusTensor:
    shape, size = tuple(entry["shape"]), entry["bytes"]
    element_bits = size * 8 // int(np.prod(shape, dtype=np.int64))
    beats = -(-size * 8 // data_bits)
    return BusTensor(
        StreamPort(entry["name"], shape, entry["dtype"], "", beats, element_bits, data_bits), entry["address_register"]
    )

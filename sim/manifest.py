"""The manifest of a design (contract sections 4 and 5), as the simulator reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, prod
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class TensorPort:
    """A tensor in a memory of the design, and the ports that reach it."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    width_bits: int
    address_port: str
    data_port: str
    enable_port: str
    bank_factors: tuple[int, ...]
    offset_bits: int

    @property
    def address_bits(self) -> int:
        """The width of the address port: bank number above, offset in the bank below; at least 1."""
        return max(1, (prod(self.bank_factors) - 1).bit_length() + self.offset_bits)

    def addresses(self) -> npt.NDArray[np.uint64]:
        """The address of every element, in the tensor's row-major order.

        Stored cyclically, the bank leading: bank = row-major over f of (i_d mod f_d), offset = row-major over
        ceil(D_d / f_d) of (i_d div f_d), address = bank * 2^offset_bits + offset.
        """
        bank = np.zeros(self.shape, np.uint64)
        offset = np.zeros(self.shape, np.uint64)
        for index, extent, factor in zip(np.indices(self.shape), self.shape, self.bank_factors, strict=True):
            bank = bank * np.uint64(factor) + index.astype(np.uint64) % np.uint64(factor)
            offset = offset * np.uint64(ceil(extent / factor)) + index.astype(np.uint64) // np.uint64(factor)
        return (bank * np.uint64(1 << self.offset_bits) + offset).reshape(-1)


@dataclass(frozen=True)
class Manifest:
    """`latency_cycles` is None where the schedule does not fix it (`--schedule sequential`). `loads` and `reads`
    are the ports that write and read the states."""

    top: str
    files: tuple[str, ...]
    memory_files: tuple[str, ...]
    clock: str
    reset: str
    start: str
    finish: str
    latency_cycles: int | None
    inputs: tuple[TensorPort, ...]
    outputs: tuple[TensorPort, ...]
    loads: tuple[TensorPort, ...] = ()
    reads: tuple[TensorPort, ...] = ()

    @property
    def driven(self) -> tuple[TensorPort, ...]:
        """All that the host can write."""
        return (*self.inputs, *self.loads)

    @property
    def observed(self) -> tuple[TensorPort, ...]:
        """All that the host can read: outputs, then states."""
        return (*self.outputs, *self.reads)

    @staticmethod
    def from_json(manifest: Mapping[str, Any]) -> Manifest:
        """The record of a manifest of version 1; an assertion fails for others."""
        assert manifest["manifest"] == 1, f"manifest version {manifest['manifest']} is not known"
        return Manifest(
            top=manifest["top"],
            files=tuple(manifest["files"]),
            memory_files=tuple(manifest.get("memory_files", ())),
            clock=manifest["clock"],
            reset=manifest["reset"],
            start=manifest["start"],
            finish=manifest["finish"],
            latency_cycles=manifest.get("latency_cycles"),
            inputs=tuple(_tensor_port(entry) for entry in manifest["inputs"]),
            outputs=tuple(_tensor_port(entry) for entry in manifest["outputs"]),
            loads=tuple(_tensor_port(entry) for entry in manifest.get("state", ())),
            reads=tuple(_tensor_port(entry, "read_") for entry in manifest.get("state", ())),
        )


def _tensor_port(entry: Mapping[str, Any], way: str = "") -> TensorPort:
    return TensorPort(
        name=entry["name"],
        shape=tuple(entry["shape"]),
        dtype=entry["dtype"],
        width_bits=entry["width"],
        address_port=entry[f"{way}address_port"],
        data_port=entry[f"{way}data_port"],
        enable_port=entry[f"{way}enable_port"],
        bank_factors=tuple(entry["bank_factors"]),
        offset_bits=entry["offset_bits"],
    )

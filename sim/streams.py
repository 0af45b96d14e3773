"""Tensors in the beats of streams, and the manifest of a design that has streams (docs/interfaces.md).

A beat is a row of bytes, the first byte of the tensor in the first column of the first row; the last beat is padded
with zeros.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from torch2hw.analysis.stored_arrays import Array, Words, from_words, to_words
from torch2hw.dialects.number_types import number_type
from torch2hw.tools.errors import CheckError

Beats = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class StreamPort:
    """A tensor and its stream."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    prefix: str
    beats: int
    element_bits: int
    data_bits: int

    @property
    def bytes_per_beat(self) -> int:
        """Bytes of a beat."""
        return self.data_bits // 8

    @property
    def bytes(self) -> int:
        """Bytes of the tensor."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.element_bits // 8

    def keep(self) -> Beats:
        """1 for every byte that belongs to the tensor, in beats."""
        return _in_beats(np.ones(self.bytes, np.uint8), self)

    def to_beats(self, array: Array) -> Beats:
        """The packet of a tensor."""
        words, kind = to_words(array, self.dtype), number_type(self.dtype)
        if kind.kind == "signed" and kind.bits < self.element_bits:
            above = np.uint64(((1 << self.element_bits) - 1) ^ kind.mask)
            words = np.where(words & np.uint64(kind.sign_bit), words | above, words)
        elements = words.astype(np.dtype(f"<u{self.element_bits // 8}"))
        return _in_beats(elements.view(np.uint8), self)

    def from_beats(self, beats: Beats) -> Array:
        """The tensor of a packet. Bits above the width of the type are ignored."""
        data = np.ascontiguousarray(beats.reshape(-1)[: self.bytes])
        words = data.view(np.dtype(f"<u{self.element_bits // 8}")).astype(np.uint64)
        return from_words(words, self.dtype, self.shape)


def beat_words(beats: Beats) -> Words:
    """The words of beats in which the benches read and write them: 64 bits each, whole ones for every beat."""
    count, size = beats.shape
    padded = np.zeros((count, -(-size // 8) * 8), np.uint8)
    padded[:, :size] = beats
    return padded.reshape(-1).view("<u8").astype(np.uint64)


def tensor_of(port: StreamPort, rows: Words) -> Array:
    """The tensor of an output's beats, a row of words each. Raises CheckError where its padding is not zero, or its
    elements are not extended as they should be."""
    beats = np.ascontiguousarray(rows).astype("<u8").view(np.uint8)[:, : port.bytes_per_beat]
    found = port.from_beats(beats)
    if (beats * (1 - port.keep())).any():
        raise wrong_beats(port, "its padding is not zero")
    if not np.array_equal(port.to_beats(found), beats):
        raise wrong_beats(port, "its elements are not extended as they should be")
    return found


def wrong_beats(port: StreamPort, what: str) -> CheckError:
    """What is raised where an output's beats break a rule."""
    return CheckError(f"a result of {port.name} is wrong: {what}", why="docs/interfaces.md says how it must be")


def _in_beats(data: Beats, port: StreamPort) -> Beats:
    padded = np.zeros(port.beats * port.bytes_per_beat, np.uint8)
    padded[: data.size] = data
    return padded.reshape(port.beats, port.bytes_per_beat)


@dataclass(frozen=True)
class StreamManifest:
    """The manifest of a design with streams."""

    top: str
    files: tuple[str, ...]
    memory_files: tuple[str, ...]
    clock: str
    reset: str
    data_bits: int
    latency_cycles: int
    interval_cycles: int
    inputs: tuple[StreamPort, ...]
    outputs: tuple[StreamPort, ...]

    @staticmethod
    def from_json(manifest: Mapping[str, Any]) -> StreamManifest:
        """The record of a manifest whose interface is axis; an assertion fails for others."""
        assert (manifest["manifest"], manifest["interface"]) == (1, "axis")
        width = manifest["data_bits"]
        return StreamManifest(
            top=manifest["top"],
            files=tuple(manifest["files"]),
            memory_files=tuple(manifest["memory_files"]),
            clock=manifest["clock"],
            reset=manifest["reset"],
            data_bits=width,
            latency_cycles=manifest["latency_cycles"],
            interval_cycles=manifest["interval_cycles"],
            inputs=tuple(_stream_port(entry, width) for entry in manifest["inputs"]),
            outputs=tuple(_stream_port(entry, width) for entry in manifest["outputs"]),
        )


def _stream_port(entry: Mapping[str, Any], data_bits: int) -> StreamPort:
    stream = entry["stream"]
    return StreamPort(
        entry["name"],
        tuple(entry["shape"]),
        entry["dtype"],
        stream["prefix"],
        stream["beats"],
        stream["element_bits"],
        data_bits,
    )

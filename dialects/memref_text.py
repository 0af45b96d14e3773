"""Buffers, constants and source locations as upstream MLIR spells them: types, indices, attributes, locations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from torch2hw.dialects.loops import Buffer, Source
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.quasi_affine import Index


def memref(buffer: Buffer) -> str:
    """The buffer's type; where it is partitioned, the bank's indices are leading dimensions."""
    banks = tuple(factor for factor in buffer.factors if factor > 1)
    return "memref<" + "".join(f"{size}x" for size in (*banks, *buffer.bank_shape)) + f"{buffer.value_type}>"


def stored_at(buffer: Buffer, indices: Sequence[Index]) -> list[Index]:
    """The indices of an element in the buffer's memref: its bank, then its indices in the bank."""
    pairs = list(zip(indices, buffer.bank_factors, strict=True))
    return [
        *(index.remainder(factor) for index, factor in pairs if factor > 1),
        *(index.floordiv(factor) for index, factor in pairs),
    ]


def leaves_buffer(buffer: Buffer, indices: Sequence[Index]) -> list[Index]:
    """The indices that must be ≥ 0 for an access to be inside the buffer; those that certainly are, are left out."""
    checks = []
    for index, size in zip(indices, buffer.shape, strict=True):
        low, high = index.bounds()
        if low < 0:
            checks.append(index)
        if high >= size:
            checks.append(index * -1 + (size - 1))
    return checks


def literal(bits: int, dtype: str) -> str:
    """An MLIR attribute for a bit pattern."""
    kind = number_type(dtype)
    if kind.is_float:
        return f"0x{bits:0{kind.bits // 4}X} : {kind.mlir}"
    if kind.kind == "boolean":
        return "true" if bits else "false"
    return f"{kind.signed_integer(bits)} : {kind.mlir}"


def dense(buffer: Buffer) -> str:
    """`dense<…>` for a constant's data, as raw bytes."""
    data = banked_data(buffer)
    if number_type(buffer.dtype).kind == "boolean":
        if data.size == 1:
            return f"dense<{'true' if data.reshape(-1)[0] else 'false'}>"
        return f"dense<{str(data.astype(bool).tolist()).lower()}>"
    kind = number_type(buffer.dtype)
    raw = np.ascontiguousarray(data)
    if kind.is_odd_width:  # MLIR holds an element in whole bytes, sign-extended
        wide = kind.values_of(raw).reshape(-1, 1).view(np.uint8)
        raw = np.ascontiguousarray(wide[:, : -(-kind.bits // 8)])
    return f'dense<"0x{raw.tobytes().hex().upper()}">'


def banked_data(buffer: Buffer) -> NDArray[np.generic]:
    """A constant's data as its memref holds them: the bank's indices lead, padding is 0."""
    assert buffer.data is not None
    if not buffer.factors:
        return buffer.data
    pairs = list(zip(buffer.bank_shape, buffer.factors, strict=True))
    padding = [(0, rows * factor - size) for (rows, factor), size in zip(pairs, buffer.shape, strict=True)]
    split = np.pad(buffer.data, padding).reshape([part for pair in pairs for part in pair])
    rank = len(pairs)
    leading = split.transpose([*range(1, 2 * rank, 2), *range(0, 2 * rank, 2)])
    return leading.reshape([*(factor for factor in buffer.factors if factor > 1), *buffer.bank_shape])


def location(source: Source | None) -> str:
    """The MLIR location of a source line, with a space before it; "" for None."""
    return "" if source is None else f' loc("{source.file}":{source.line}:1)'

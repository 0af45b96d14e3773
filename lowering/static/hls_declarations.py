"""Names, types, arrays and pragmas of the C++ that `affine_to_hls` writes."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from torch2hw.analysis.bank_groups import wanted_factors
from torch2hw.dialects.loops import Buffer, Kernel, Source
from torch2hw.dialects.number_types import number_type
from torch2hw.frontend.refusals import UnsupportedOperation

TAKEN = frozenset(  # keywords up to C++20, and names of the text itself
    "alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t char8_t class "
    "co_await co_return co_yield compl concept const const_cast consteval constexpr constinit continue decltype "
    "default delete do double dynamic_cast else enum explicit export extern false float for friend goto if inline int "
    "long mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected public register "
    "reinterpret_cast requires return short signed sizeof static static_assert static_cast struct switch template "
    "this thread_local throw true try typedef typeid typename union unsigned using virtual void volatile wchar_t "
    "while xor xor_eq main std maximum minimum floor_divided remainder_of from_bits reciprocal rectified "
    "reciprocal_square_root".split()
)
OF_HEADERS = re.compile(r"\w+_t|[A-Z][A-Z0-9_]{2,}|linux|unix", re.ASCII)  # types and macros, those of GNU's too


def stored(kernel: Kernel) -> list[Buffer]:
    """The buffers that a kernel gets as arguments."""
    used = dict.fromkeys(load.buffer for load in kernel.loads() if load.buffer.data is None)
    return list(used | dict.fromkeys(store.buffer for store in kernel.stores()))


def kernel_name(top: str, kernel: Kernel) -> str:
    """The name of a kernel's function in C++."""
    return f"{legal(top)}_{kernel.name}"


def legal(name: str) -> str:
    """The name, or with `_` after it if it is a keyword of C++, or looks like a type or a macro of its headers."""
    return f"{name}_" if name in TAKEN or OF_HEADERS.fullmatch(name) else name


def shape(buffer: Buffer) -> str:
    """The array extents in C++; a scalar is an array of one."""
    return "".join(f"[{size}]" for size in buffer.shape) or "[1]"


def argument(buffer: Buffer, read_only: bool) -> str:
    """The declaration of a parameter."""
    return f"{'const ' if read_only else ''}{c_type(buffer.dtype, buffer.source)} {legal(buffer.name)}{shape(buffer)}"


def partition(buffer: Buffer, factors: Sequence[int] | None = None) -> list[str]:
    """A pragma for each dimension with more than one bank; `factors` None takes the buffer's own."""
    return [
        f"#pragma HLS ARRAY_PARTITION variable={legal(buffer.name)} cyclic factor={factor} dim={dimension}"
        for dimension, factor in enumerate(buffer.bank_factors if factors is None else factors, 1)
        if factor > 1
    ]


def constant_partitions(kernel: Kernel) -> list[str]:
    """Pragmas for constants: our hardware has a ROM for every access, but C++ has one array, which needs banks."""
    lines = []
    for buffer in dict.fromkeys(load.buffer for load in kernel.loads() if load.buffer.data is not None):
        accesses = [load.indices for load in kernel.loads() if load.buffer is buffer]
        lines += partition(buffer, wanted_factors(accesses, len(buffer.shape), len(accesses)))
    return lines


def constant(buffer: Buffer) -> str:
    """The definition of a constant array."""
    assert buffer.data is not None
    words = ", ".join(literal(int(word), buffer.dtype) for word in buffer.data.reshape(-1))
    return f"static const {c_type(buffer.dtype, buffer.source)} {legal(buffer.name)}{shape(buffer)} = {{{words}}};"


def c_type(dtype: str, source: Source | None = None) -> str:
    """The C++ name of a type; `not_in_cpp` where it has none."""
    name = number_type(dtype).c
    if name is None:
        raise not_in_cpp(f"type {dtype}", source)
    return name


def not_in_cpp(what: str, source: Source | None) -> UnsupportedOperation:
    """The refusal of what C++ has nothing for, at the user's line."""
    return UnsupportedOperation(
        f"--emit hls: {what} is unsupported",
        location=None if source is None else (source.file, source.line),
        why="it writes C++ of standard types: float, double and integers of 8, 16, 32 and 64 bits, and their functions",
        fix="compile the model in float32, without --quantize and --dtype, or leave --emit hls out",
    )


def unsigned(dtype: str) -> str:
    """A cast to the unsigned type of that width, for an operation that zero-extends; nothing for a flag."""
    kind = number_type(dtype)
    return f"(uint{kind.bits}_t)" if kind.kind in ("signed", "index") else ""


def literal(bits: int, dtype: str) -> str:
    """A C++ literal for a bit pattern."""
    kind = number_type(dtype)
    if kind.is_float:
        number = kind.values_of(bits)[0]
        return f"{number!s}f" if np.isfinite(number) else f"from_bits(0x{bits:08x}u)"
    if kind.kind == "boolean":
        return "true" if bits else "false"
    value = kind.signed_integer(bits)
    return f"INT64_C({value})" if value > -(1 << 63) else "INT64_MIN"

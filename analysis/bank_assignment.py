"""The banks of each buffer: as many as its accesses of one cycle need, as a least common multiple over all kernels.

The pass `bank-memories` stores the result in programs; cost models ask for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from math import lcm, prod

from torch2hw.analysis.bank_groups import common_factors, group_of
from torch2hw.analysis.banks import accesses_of, run_time_dimensions, selection
from torch2hw.dialects.loops import Buffer, Kernel
from torch2hw.dialects.once import once
from torch2hw.dialects.program import Program


@lru_cache(maxsize=1 << 16)
def merged(old: tuple[int, ...], new: tuple[int, ...], limit: int) -> tuple[int, ...]:
    """A partition that serves both needs: the least common multiple of the factors, or the finer partition if that
    would be very many banks."""
    return tuple(lcm(a, b) if lcm(a, b) <= 4 * limit else max(a, b) for a, b in zip(old, new, strict=True))


def merged_factors(
    kernel: Kernel, factors: Mapping[Buffer, tuple[int, ...]], limit: int, whole: Mapping[Buffer, frozenset[int]]
) -> dict[Buffer, tuple[int, ...]]:
    """The partition of each buffer that `kernel` accesses: what the kernels before needed, and what this kernel needs.
    Dimensions in `whole` are not partitioned."""
    own = own_factors(kernel, limit)
    return within({b: merged(factors.get(b, (1,) * len(new)), new, limit) for b, new in own.items()}, whole)


def within(
    factors: Mapping[Buffer, tuple[int, ...]], whole: Mapping[Buffer, frozenset[int]]
) -> dict[Buffer, tuple[int, ...]]:
    """These factors, with no more banks than a dimension has elements, and one bank in the dimensions `whole`."""
    result = {}
    for buffer, both in factors.items():
        kept = whole.get(buffer, frozenset())
        sizes = zip(both, buffer.shape, strict=True)
        result[buffer] = tuple(1 if d in kept else min(factor, size or 1) for d, (factor, size) in enumerate(sizes))
    return result


@once
def own_factors(kernel: Kernel, limit: int) -> dict[Buffer, tuple[int, ...]]:
    """The partition of each buffer that `kernel` needs by itself."""
    return {
        access.buffer: common_factors(map(group_of, (access.reads, access.writes)), len(access.buffer.shape), 4 * limit)
        for access in accesses_of(kernel)
    }


def assigned(program: Program, partition: int) -> dict[Buffer, Buffer]:
    """By buffer of the program, the same buffer with its bank factors; only buffers that need banks."""
    limit = partition**2
    factors: dict[Buffer, tuple[int, ...]] = {}
    whole = run_time_dimensions(program.kernels)
    for kernel in program.kernels:
        factors |= merged_factors(kernel, factors, limit, whole)
    return {buffer: in_banks(buffer, banks) for buffer, banks in factors.items() if prod(banks) > 1}


@once
def in_banks(buffer: Buffer, factors: tuple[int, ...]) -> Buffer:
    """The buffer in these banks, or fewer in a dimension that is smaller."""
    sizes = zip(factors, buffer.shape, strict=True)
    return replace(buffer, factors=tuple(min(factor, size) if size else factor for factor, size in sizes))


@once
def rotated(kernel: Kernel) -> dict[str, int]:
    """The buffers that a load reads from several banks in the course of the iterations, with the number of banks."""
    found = {}
    for access in accesses_of(kernel):
        moving = [len(selection(read, access.buffer.bank_factors)) for read in access.reads]
        if max(moving, default=1) > 1:
            found[access.buffer.name] = max(moving)
    return found

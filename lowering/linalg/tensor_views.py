"""Tensors that are not stored: reshapes, slices, transposes, broadcasts, padding and fills as functions of the index.

A `View` says, for any index of a tensor, which element of which buffer it is. Views compose, so a chain of them costs
only index arithmetic, most of which `quasi_affine` simplifies away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from torch2hw.dialects.loops import Buffer
from torch2hw.dialects.number_types import Array, number_type
from torch2hw.dialects.quasi_affine import Index, Variable, as_inside, constant, delinearise, linearise


@dataclass(frozen=True)
class Element:
    """One element: `buffer[indices]` where all of `guard` is ≥ 0, otherwise `otherwise_bits`. Without a buffer it is
    that constant."""

    buffer: Buffer | None
    indices: tuple[Index, ...] = ()
    guard: tuple[Index, ...] = ()
    otherwise_bits: int = 0


@dataclass(frozen=True, eq=False)
class View:
    """`element(indices)` for indices inside `shape`. `reshape_of` is the buffer that this is a row-major reshape of."""

    shape: tuple[int, ...]
    dtype: str
    element: Callable[[list[Index]], Element]
    reshape_of: Buffer | None = None
    fill_bits: int | None = None

    @property
    def rank(self) -> int:
        """The number of dimensions."""
        return len(self.shape)


def of_buffer(buffer: Buffer) -> View:
    """The view that is the buffer itself."""
    return View(buffer.shape, buffer.value_type, lambda at: Element(buffer, tuple(at)), buffer)


def fill(shape: tuple[int, ...], dtype: str, bits: int) -> View:
    """A tensor whose elements are all the word `bits`."""
    return View(shape, dtype, lambda at: Element(None, otherwise_bits=bits), None, bits)


def reshape(view: View, shape: tuple[int, ...]) -> View:
    """Row-major reshape to `shape` (same number of elements)."""
    assert int(np.prod(shape, dtype=np.int64)) == int(np.prod(view.shape, dtype=np.int64))

    def element(at: list[Index]) -> Element:
        return view.element(delinearise(linearise(at, shape), view.shape))

    return View(shape, view.dtype, element, view.reshape_of, view.fill_bits)


def remap(view: View, shape: tuple[int, ...], indices: Callable[[list[Index]], list[Index]]) -> View:
    """The tensor of `shape` whose element at i is `view`'s element at indices(i): slices, transposes, broadcasts."""
    return View(shape, view.dtype, lambda at: view.element(indices(at)), None, view.fill_bits)


def kept_dimensions(sizes: list[int], shape: tuple[int, ...]) -> list[int]:
    """The dimensions of a slice of `sizes` that remain in a rank-reduced tensor of `shape`; the others have size 1."""
    kept: list[int] = []
    surplus = len(sizes) - len(shape)
    for position, size in enumerate(sizes):
        wanted = shape[len(kept)] if len(kept) < len(shape) else None
        if surplus and size == 1 and (wanted != 1 or surplus > sum(s == 1 for s in sizes[position + 1 :])):
            surplus -= 1
        elif size == wanted:
            kept.append(position)
        else:
            surplus -= 1
    return kept


def slice_indices(
    shape: tuple[int, ...], offsets: list[int], sizes: list[int], strides: list[int]
) -> Callable[[list[Index]], list[Index]]:
    """The indices in the whole tensor of each element of a slice; the slice has `shape`, which may lack dimensions of
    size 1."""
    kept = kept_dimensions(sizes, shape)

    def indices(at: list[Index]) -> list[Index]:
        result = [constant(offset) for offset in offsets]
        for index, position in zip(at, kept, strict=True):
            result[position] = index * strides[position] + offsets[position]
        return result

    return indices


def pad(view: View, low: list[int], shape: tuple[int, ...], bits: int) -> View | None:
    """`view` with `low` elements of padding before each dimension, and after it as many as `shape` leaves."""
    if view.fill_bits is not None:
        return fill(shape, view.dtype, bits) if view.fill_bits == bits else None

    def element(at: list[Index]) -> Element:
        inner = [index - before for index, before in zip(at, low, strict=True)]
        found = _inside(view, inner)
        guard = list(found.guard)
        for index, before, size, padded in zip(inner, low, view.shape, shape, strict=True):
            least, greatest = index.bounds()
            if before and least < 0:
                guard.append(index)
            if padded > before + size and greatest >= size:
                guard.append(index * -1 + (size - 1))
        return Element(found.buffer, found.indices, tuple(guard), bits)

    probe = view.element([Index(((Variable(f"p{d}", size), 1),), 0) for d, size in enumerate(view.shape)])
    return None if probe.guard and probe.otherwise_bits != bits else View(shape, view.dtype, element)


def _inside(view: View, at: list[Index]) -> Element:
    """The element, its indices simplified as if `at` were inside the view; their values elsewhere do not matter."""
    known, ranges = as_inside(at, view.shape)
    found = view.element(known)
    indices, guard = (tuple(index.substitute(ranges) for index in each) for each in (found.indices, found.guard))
    return Element(found.buffer, indices, guard, found.otherwise_bits)


def evaluate(view: View) -> Array | None:
    """The bits of a view of a constant or fill; None if it reads another buffer."""
    if view.fill_bits is not None:
        return np.full(view.shape, view.fill_bits, dtype=number_type(view.dtype).patterns)
    variables = [Variable(f"e{d}", size) for d, size in enumerate(view.shape)]
    found = view.element([Index(((v, 1),), 0) for v in variables])
    if found.buffer is None:
        return np.full(view.shape, found.otherwise_bits, dtype=number_type(view.dtype).patterns)
    if found.buffer.constant is None:
        return None
    grid = dict(zip(variables, np.indices(view.shape), strict=True))

    def at(index: Index) -> Array:
        return np.broadcast_to(np.asarray(index.evaluate(grid.__getitem__)), view.shape)

    inside = np.ones(view.shape, dtype=bool)
    for index in found.guard:
        inside &= at(index) >= 0
    indices = tuple(np.where(inside, at(index), 0) for index in found.indices)
    data = found.buffer.constant[indices] if indices else np.broadcast_to(found.buffer.constant, view.shape)
    return np.where(inside, data, np.array(found.otherwise_bits, dtype=data.dtype)).astype(
        number_type(view.dtype).patterns
    )

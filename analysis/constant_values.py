"""The values of constants of a kernel, for the combinations of its loops' indices on which they depend."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from torch2hw.analysis.rom_contents import rom_contents
from torch2hw.dialects.loops import Buffer, Constant, Kernel, Load, Loop
from torch2hw.dialects.number_types import Array, number_type
from torch2hw.dialects.quasi_affine import variable
from torch2hw.dialects.storage import ROM

Known = Constant | Load
"""A constant, or an element of one."""


def loops_of(known: Sequence[Known], kernel: Kernel) -> list[Loop]:
    """The loops on which any of them depends, in the kernel's order."""
    used = {v for each in known if isinstance(each, Load) for index in each.indices for v in index.variables()}
    return [loop for loop in kernel.loops if loop.variable in used]


def values_of(known: Known, loops: list[Loop]) -> Array:
    """Its values, an axis for each loop; each axis has one element where it is a plain constant."""
    kind = number_type(known.type)
    if isinstance(known, Constant):
        return kind.values_of(known.bits).reshape((1,) * len(loops))
    return kind.values_of(rom_contents(known, loops)).reshape(tuple(loop.extent for loop in loops))


def product(factors: Sequence[Known], loops: list[Loop]) -> NDArray[np.float64]:
    """The product of constants in float64, an axis for each loop."""
    total = np.ones((1,) * len(loops))
    for factor in factors:
        total = total * values_of(factor, loops).astype(np.float64)
    return total


def as_known(name: str, dtype: str, values: Array, loops: Sequence[Loop], buffer_name: str) -> Known:
    """`values`, an axis for each loop, as a constant if all are equal, else as an element of a new constant."""
    kind = number_type(dtype)
    bits: NDArray[np.unsignedinteger] = kind.bits_of(values)
    if (bits == bits.reshape(-1)[0]).all():
        return Constant(name, dtype, int(bits.reshape(-1)[0]))
    buffer = Buffer(buffer_name, bits.shape, dtype, ROM, bits)
    return Load(name, dtype, buffer, tuple(variable(loop.variable) for loop in loops))


class FreshNames:
    """Names that nothing else has."""

    def __init__(self, taken: set[str]) -> None:
        self.taken = taken

    def __call__(self, stem: str) -> str:
        """`stem`, with underscores behind it where that is taken."""
        while stem in self.taken:
            stem += "_"
        self.taken.add(stem)
        return stem

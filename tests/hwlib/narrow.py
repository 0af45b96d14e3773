"""An oracle for narrow formats over whole arrays, in doubles, and many units as one C library."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from torch2hw.hwlib import Unit, emit_c
from torch2hw.hwlib.formats import Format

from .running import Words

Doubles = np.ndarray[tuple[int], np.dtype[np.float64]]


def decoded(words: Words, form: Format, flush: bool) -> Doubles:
    magnitude = words.astype(np.int64) & ((1 << (form.width - 1)) - 1)
    field, fraction = magnitude >> form.fraction_bits, magnitude & ((1 << form.fraction_bits) - 1)
    subnormal = np.where(flush, 0.0, np.ldexp(fraction.astype(np.float64), 1 - form.bias - form.fraction_bits))
    normal = np.ldexp((fraction | 1 << form.fraction_bits).astype(np.float64), field - form.bias - form.fraction_bits)
    value = np.where(field == 0, subnormal, normal)
    value = np.where(magnitude == form.infinity, np.inf, value)
    value = np.where(magnitude > form.infinity - form.finite, np.nan, value)
    return np.where(words >> (form.width - 1) == 1, -value, value)


def encoded(values: Doubles, form: Format, flush: bool) -> Words:
    """Rounded to nearest even, from doubles (of results that 53 bits round innocuously)."""
    size = np.abs(np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0))
    exponent = np.frexp(size)[1] - 1
    lowest = 1 - form.bias
    place = exponent - form.fraction_bits
    unbounded = np.ldexp(np.rint(np.ldexp(size, -place)), place)
    last = np.where(exponent < lowest, lowest - form.fraction_bits, place)
    rounded = np.ldexp(np.rint(np.ldexp(size, -last)), last)
    if flush:
        rounded = np.where(unbounded < 2.0**lowest, 0.0, unbounded)
    exponent = np.where(rounded == 0, lowest, np.maximum(np.frexp(rounded)[1] - 1, lowest))
    significand = np.ldexp(rounded, form.fraction_bits - exponent).astype(np.int64)
    magnitude = significand + (exponent.astype(np.int64) - lowest << form.fraction_bits)
    magnitude = np.where((magnitude > form.infinity) | np.isinf(values), form.infinity, magnitude)
    nan = np.isnan(values) | ((magnitude == form.infinity) & form.finite)
    sign = np.signbit(values).astype(np.int64) << (form.width - 1)
    return np.where(nan, form.nan, magnitude | sign).astype(np.uint64)


class Compiled:
    """The graphs of several units, called with arrays."""

    def __init__(self, units: Sequence[Unit], folder: Path):
        text = "#include <stdint.h>\n"
        for index, unit in enumerate(units):
            arguments = ", ".join(f"x[{i}][k]" for i in range(len(unit.operands)))
            text += emit_c.emit(f"unit{index}", list(unit.operands), unit.schedule.output)
            text += (
                f"void run{index}(const uint64_t *const *x, uint64_t *y, long n) "
                f"{{ for (long k = 0; k < n; k++) y[k] = unit{index}({arguments}); }}\n"
            )
        source, self.file = folder / "units.c", folder / "units.so"
        source.write_text(text)
        subprocess.run(["gcc", "-O1", "-w", "-shared", "-fPIC", "-o", str(self.file), str(source)], check=True)
        self.library = ctypes.CDLL(str(self.file))

    def run(self, index: int, operands: Sequence[Words]) -> Words:
        held = [np.ascontiguousarray(o, np.uint64) for o in operands]
        result = np.empty(held[0].size, np.uint64)
        pointers = (ctypes.c_void_p * len(held))(*(o.ctypes.data for o in held))
        self.library[f"run{index}"](pointers, ctypes.c_void_p(result.ctypes.data), ctypes.c_long(result.size))
        return result

"""Cells of a netlist for Xilinx UltraScale+ or 7-series, counted the way the tools' own reports count sites.

lut: LUT1 to LUT6, one each (a LUT6_2 is one); a shift register (SRL16E, SRLC32E) is one; distributed RAM is as many as
the LUT sites it occupies (UG974: RAM32M16 and RAM64M8 eight, RAM64X1D two …). INV is not counted: it goes into the
LUT it feeds. Carry chains and MUXF7/8/9 have their own places beside the LUTs and are not counted either.
ff: FDRE, FDSE, FDCE, FDPE. dsp: DSP48. bram36: a RAMB36 is one, a RAMB18 a half. uram: URAM288.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DISTRIBUTED_RAM_LUTS = {
    "RAM32X1S": 1,
    "RAM64X1S": 1,
    "RAM128X1S": 2,
    "RAM256X1S": 4,
    "RAM512X1S": 8,
    "RAM32X1D": 2,
    "RAM64X1D": 2,
    "RAM128X1D": 4,
    "RAM256X1D": 8,
    "RAM32M": 4,
    "RAM64M": 4,
    "RAM32M16": 8,
    "RAM64M8": 8,
    "RAM64X8SW": 8,
    "RAM32X16DR8": 8,
}
LUT = re.compile(r"LUT[1-6](_2)?|SRL16E|SRLC16E|SRLC32E")
FLIP_FLOP = re.compile(r"FD[RSCP]E(_1)?")


@dataclass(frozen=True)
class Resources:
    """Sites of an FPGA. A half in `bram36` is a RAMB18."""

    lut: int = 0
    ff: int = 0
    dsp: int = 0
    bram36: float = 0.0
    uram: int = 0

    @staticmethod
    def of_cells(cells: Mapping[str, int]) -> Resources:
        """From how many cells of each type there are."""
        lut = ff = dsp = uram = 0
        bram36 = 0.0
        for kind, number in cells.items():
            if LUT.fullmatch(kind):
                lut += number
            elif kind in DISTRIBUTED_RAM_LUTS:
                lut += number * DISTRIBUTED_RAM_LUTS[kind]
            elif FLIP_FLOP.fullmatch(kind):
                ff += number
            elif kind.startswith("DSP48"):
                dsp += number
            elif kind.startswith("RAMB36"):
                bram36 += number
            elif kind.startswith("RAMB18"):
                bram36 += number / 2
            elif kind.startswith("URAM288"):
                uram += number
            else:
                assert not kind.startswith("RAM"), f"how many LUTs is a {kind}?"
        return Resources(lut, ff, dsp, bram36, uram)

    def __add__(self, other: Resources) -> Resources:
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Resources(*(a + b for a, b in pairs))

    def to_json(self) -> dict[str, Any]:
        """The figures by name; block RAM as a whole number where it is one."""
        whole = int(self.bram36) if self.bram36 == int(self.bram36) else self.bram36
        return vars(self) | {"bram36": whole}

    def __str__(self) -> str:
        text = f"{self.lut:,} LUT, {self.ff:,} FF, {self.dsp} DSP, {self.bram36:g} BRAM36"
        return f"{text}, {self.uram} URAM" if self.uram else text

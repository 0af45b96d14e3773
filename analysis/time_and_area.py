"""The exchange rate between cycles and LUTs, for all passes that trade one for the other.

One per cent of the cycles is worth 1 / AREA_WEIGHT = 9 per cent of the LUTs of a design of that many lanes: time counts
more, because the user asked for the lanes. Attention of length 16 at N = 4 takes 9,688 cycles and 8,325 LUTs outside
units at a weight of 0.25, and 8,892 cycles and 8,004 LUTs at 0.12 (Yosys 0.70, synth_xilinx -family xcup); at 0.11
that of length 100 at N = 8 has 40 lanes of exp, 16 at 0.12.
LANE_LUTS and OTHER_LUTS are rounded from benchmarks/area.md, CODE_LANE_LUTS from benchmarks/quantised.md: half a DSP,
which is 146 LUTs in a U50, and the rest.
"""

from __future__ import annotations

from torch2hw.hwlib.entries import DSP_LUTS

AREA_WEIGHT = 0.11
LANE_LUTS = 560
CODE_LANE_LUTS = 120  # of products of two codes
OTHER_LUTS = 1000


def luts_of_all_time(lanes: int, lane_luts: float = LANE_LUTS, other_luts: float = OTHER_LUTS) -> float:
    """The LUTs that are worth as much as all the cycles of a design with so many lanes, and others."""
    return (lane_luts * lanes + other_luts) / AREA_WEIGHT


def spare_code_luts(lanes: int, dsps: int) -> float:
    """LUTs that a design of so many lanes of codes may add at no cost: a device that it fills has no DSPs left, and
    these LUTs."""
    return max(0.0, DSP_LUTS * dsps - (CODE_LANE_LUTS - DSP_LUTS / 2) * lanes - OTHER_LUTS)

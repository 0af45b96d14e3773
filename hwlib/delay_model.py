"""The delay model that stands in for a vendor's timing: nanoseconds, logic and routing, at UltraScale+ speed.

Calibrated so that a unit cut for 3.33 ns places and routes at 120 MHz or more on ECP5 (speed 8), which is about 2.5
times slower (`hwlib/measure.py` repeats the measurement). Two consecutive multiplexers or gates share a LUT, so each
costs half a LUT level.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .bits import Bits


@dataclass(frozen=True)
class DelayModel:
    """Delays in ns. `register_ns` is clock-to-output plus set-up and is taken off every clock period."""

    register_ns: float = 0.35
    gate_ns: float = 0.24
    wide_select_ns: float = 0.15  # extra for a multiplexer whose select drives more than 16 bits
    lut_level_ns: float = 0.45
    carry_base_ns: float = 0.55
    carry_bit_ns: float = 0.014
    multiply_ns: float = 1.7
    wide_multiply_ns: float = 0.4  # extra where an operand is wider than ECP5's 18 x 18 blocks, which are then added
    rom_ns: float = 1.7  # clock to output of a block RAM, whose output register a multiplier behind it then is

    def delay(self, node: Bits) -> float:
        """From a node's operands to its value, within one stage (a registered rom: from its clock)."""
        operand_bits = sum(o.width for o in node.operands if o.op != "const")
        match node.op:
            case "and" | "or" | "xor":
                return self.gate_ns
            case "mux":
                return self.gate_ns + (self.wide_select_ns if node.width > 16 else 0.0)
            case "add" | "sub":
                return self.carry_base_ns + self.carry_bit_ns * node.width if node.width > 2 else self.lut_level_ns
            case "ult" | "slt":
                return self.carry_base_ns + self.carry_bit_ns * node.operands[0].width
            case "eq" | "any" | "all":
                return self.lut_level_ns * max(1, math.ceil(math.log(max(2, operand_bits), 6)))
            case "mul" | "muls":
                if min(o.width for o in node.operands) <= 2:
                    return self.carry_base_ns + self.carry_bit_ns * node.width
                short, long = sorted(o.width for o in node.operands)
                sign = 1 if node.op == "muls" else 0  # blocks are 27 x 18, signed
                blocks = math.ceil(long / (26 + sign)) * math.ceil(short / (17 + sign))
                wide = long > 18
                return self.multiply_ns + 0.8 * (blocks - 1) + (self.wide_multiply_ns if wide else 0.0)
            case "rom":
                return self.rom_ns
            case "table":
                return self.lut_level_ns * max(1, node.operands[0].width - 4)
        return 0.0

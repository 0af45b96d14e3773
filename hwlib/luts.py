"""An estimate of the LUTs of a graph on UltraScale+, for units that were not measured.

The estimate is a sum over the nodes of the graph: bits of the result (of the operands, for comparisons) times the price
in `PRICES`. A gate shares the LUTs of its neighbours and costs nothing; a lone one is a LUT a bit. Products use DSP
blocks, and LUTs where several blocks are added. Tables with more than 8 address bits use block RAM.

The prices are a least-squares fit of relative errors to what Yosys 0.70 makes of 70 units (`synth_xilinx -family xcup`,
`python -m torch2hw.hwlib.measure`): tests/hwlib/test_luts.py holds those figures and the error, and measures again.
"""

from __future__ import annotations

from math import ceil

from .bits import Bits, reachable

PRICES = {"add": 0.95, "compare": 1.05, "mux": 0.41, "look_up": 1.23, "reduce": 0.21, "join": 0.33}
LOGIC_ADDRESS_BITS = 8  # look-ups by more bits become block RAM
LUT_INPUTS = 6
DSP_BITS = (17, 26)  # the operands of one block, without signs
GATES = ("and", "or", "xor", "mux")


def estimated_luts(output: Bits) -> int:
    """LUTs of the combinational graph of `output`; registers and delay lines come besides."""
    nodes = reachable(output)
    priced = [(kind, amount) for kind, amount in map(kind_of, nodes) if kind]
    if sum(node.op in GATES for node in nodes) == 1 and all(kind == "mux" for kind, _ in priced):
        return output.width
    return round(sum(PRICES[kind] * amount for kind, amount in priced))


def kind_of(node: Bits) -> tuple[str, float]:
    """The key of `PRICES` for a node, "" for what costs nothing, and how much of it there is."""
    variable = sum(operand.op != "const" for operand in node.operands)
    match node.op:
        case "add" | "sub":
            return "add", node.width
        case "mul" | "muls" if min(operand.width for operand in node.operands) <= 2:
            return "add", node.width
        case "mul" | "muls":
            short, long = sorted(operand.width for operand in node.operands)
            sign = 1 if node.op == "muls" else 0
            return "join", short * (ceil(long / (DSP_BITS[1] + sign)) * ceil(short / (DSP_BITS[0] + sign)) - 1)
        case "ult" | "slt":
            return "compare", node.operands[0].width
        case "eq" | "any" | "all":
            return "reduce", sum(operand.width for operand in node.operands if operand.op != "const")
        case "mux":
            return ("mux" if variable == 3 else ""), node.width  # a choice against a constant is a gate
        case "table" | "rom" if node.operands[0].width <= LOGIC_ADDRESS_BITS:
            return "look_up", node.width * max(1.0, 2.0 ** (node.operands[0].width - LUT_INPUTS))
    return "", 0.0

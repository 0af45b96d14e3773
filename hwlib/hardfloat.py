"""Berkeley HardFloat (HardFloat-1, the Verilog that Calyx's floating-point primitives use) as a source of units.

Yosys reads the user's copy, with HardFloat's RISC-V specialisation, whose NaN is ours; its logic becomes a graph, which
is pipelined, named, written and modelled like every other unit. The operations are those of std_addFN, std_mulFN,
std_compareFN, std_intToFp and std_fpToInt, between fNToRecFN and recFNToFN as there. Division and square root
(std_divSqrtFN) take a varying number of cycles in HardFloat and stay the library's own.

A copy may be SystemVerilog, and may count leading zeros with a module of BaseJump STL, which has no place in the copy:
both are so in the fork that bsg-external maintains. `BORROWED` stands for that module.

HardFloat keeps subnormals. Conversion to an integer gives 0 for a NaN, as the library's does.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch2hw.tools.cache import digest, entry
from torch2hw.tools.errors import InternalError, UsageError
from torch2hw.tools.yosys import run_scripts, script

from .bits import Bits, Graph
from .float_compare import PREDICATES
from .formats import Format, float_format, integer_width
from .library import Library
from .netlist import graph_of
from .pipeliner import pipeline
from .unit import Unit

FILES = (
    "HardFloat_consts.vi", "HardFloat_localFuncs.vi", "RISCV/HardFloat_specialize.vi", "RISCV/HardFloat_specialize.v",
    "HardFloat_primitives.v", "isSigNaNRecFN.v", "HardFloat_rawFN.v", "fNToRecFN.v", "recFNToFN.v", "addRecFN.v",
    "mulRecFN.v", "compareRecFN.v", "iNToRecFN.v", "recFNToIN.v",
)  # fmt: skip
OPERATIONS = (
    "arith.addf", "arith.subf", "arith.mulf", "arith.cmpf", "arith.sitofp", "arith.uitofp", "arith.fptosi",
    "arith.fptoui",
)  # fmt: skip
READ = [file for file in FILES if file.endswith(".v")]
COUNTER = "bsg_counting_leading_zeros"
BORROWED = f"""\
module {COUNTER} #(parameter width_p = 1) (
    input [width_p - 1:0] a_i, output reg [$clog2(width_p + 1) - 1:0] num_zero_o
);
  integer bit_number;
  always @* begin
    num_zero_o = width_p;
    for (bit_number = 0; bit_number < width_p; bit_number = bit_number + 1)
      if (a_i[bit_number]) num_zero_o = width_p - 1 - bit_number;
  end
endmodule
"""
TO_NETLIST = script(
    f"read_verilog -sv -overwrite -defer -I. -IRISCV {' '.join(READ)} borrowed.v unit.v",
    "hierarchy -check -top unit",
    "proc",
    "flatten",
    "opt -full",
    "wreduce",
    "opt -full",
    "pmuxtree",
    "opt_clean -purge",
    "write_json unit.json",
)
CONTROL, NEAREST, TOWARD_ZERO = "1'b1", "3'b000", "3'b001"  # tininess is detected after rounding


@dataclass(frozen=True)
class HardFloat:
    """A copy, as its files' names and texts. `place` is the user's word for it."""

    files: tuple[tuple[str, str], ...]
    place: str = ""

    def build(
        self,
        operation: str,
        operand_types: tuple[str, ...],
        result_type: str,
        predicate: str | None,
        operands: tuple[Bits, ...],
    ) -> Bits | None:
        """The operation's result, or None where HardFloat has no such unit of fixed latency."""
        types = (*operand_types, result_type)
        formats = {form for form in map(float_format, types) if form is not None}
        if operation not in OPERATIONS or len(formats) != 1:
            return None
        if operation == "arith.cmpf" and predicate not in PREDICATES:
            return None
        (form,) = formats
        if form.finite:
            return None
        integer = next((w for w in map(integer_width, types) if w is not None), 1)
        text = _wrapper(operation, form, integer, predicate or "", operands[0].width)
        names = ("left", "right")[: len(operands)]
        graph: Graph = operands[0].graph
        return graph_of(self._netlist(text), graph, dict(zip(names, operands, strict=True)), "out")

    def _unreadable(self, complaint: str) -> UsageError:
        """What to say of a copy that Yosys stops at."""
        said = re.sub(r"`\\([^']*)'", r"\1", complaint.replace("ERROR: ", ""))  # Yosys writes `\name'
        return UsageError(
            f"--float-lib {self.place}: the copy cannot be read: {said}",
            why="Yosys reads it, and it must hold the modules that it uses",
            fix="use HardFloat-1 as it was released, or the fork of bsg-external on GitHub",
        )

    def _netlist(self, wrapper: str) -> Any:
        text = "".join(text for _, text in self.files)
        borrowed = BORROWED if COUNTER in text and not re.search(rf"\bmodule\s+{COUNTER}\b", text) else ""
        files = {**dict(self.files), "borrowed.v": borrowed, "unit.v": wrapper}

        def make(place: Path) -> None:
            with TemporaryDirectory(prefix="torch2hw-") as temporary:
                try:
                    (folder,) = run_scripts(files, [TO_NETLIST], Path(temporary))
                except InternalError as stopped:
                    raise self._unreadable(stopped.what.removeprefix("Yosys stopped: ")) from None
                (place / "unit.json").write_bytes((folder / "unit.json").read_bytes())

        place = entry("hardfloat", digest([TO_NETLIST, *(t for item in sorted(files.items()) for t in item)]), make)
        return json.loads((place / "unit.json").read_text())["modules"]["unit"]


@dataclass(frozen=True)
class HardFloatLibrary(Library):
    """The library in which HardFloat's units stand where it has them; the others are the library's own."""

    copy: HardFloat = HardFloat(())

    def __post_init__(self) -> None:
        assert self.subnormals == "keep", "HardFloat keeps subnormals"

    def inverse(self, type_name: str) -> str | None:
        """None: HardFloat divides."""
        return None

    def _make(
        self, operation: str, operand_types: tuple[str, ...], result_type: str, predicate: str | None, depth: int | None
    ) -> Unit:
        own = super()._make(operation, operand_types, result_type, predicate, depth)
        graph = Graph()
        operands = tuple(graph.input(port.name, port.width_bits) for port in own.inputs)
        output = self.copy.build(operation, operand_types, result_type, predicate, operands)
        if output is None:
            return own
        stages = 0 if depth is None and self._is_fast(output) else depth
        schedule = pipeline(output, self.clock_ns, self.delays, stages)
        return replace(own, operands=operands, schedule=schedule)


def read(option: str) -> HardFloat:
    """The copy that `--float-lib OPTION` names. UsageError where it is not there or lacks a file."""
    kind, _, place = option.partition(":")
    if kind != "hardfloat" or not place:
        raise UsageError(f"--float-lib {option}: unknown", fix="use --float-lib hardfloat:DIR")
    directory = Path(place)
    if not directory.is_dir():
        raise UsageError(f"--float-lib {option}: there is no directory {place}", fix="name a copy of HardFloat-1")
    if (directory / "source").is_dir():
        directory = directory / "source"
    missing = [name for name in FILES if not (directory / name).is_file()]
    if missing:
        raise UsageError(
            f"--float-lib {option}: {directory} has no {missing[0]}",
            why=f"{len(missing)} of the {len(FILES)} files that are read are not there",
            fix="name the directory HardFloat-1, or its directory source, as unpacked from HardFloat-1.zip",
        )
    return HardFloat(tuple((name, (directory / name).read_text(errors="replace")) for name in FILES), option)


def _wrapper(operation: str, form: Format, integer: int, predicate: str, operand_width: int) -> str:
    """Module `unit`: recoded operands, the operation, the result in the usual form. Ports by position: copies name
    the first port of the recoders differently.
    """
    e, s, w = form.exponent_bits, form.significand_bits, form.width
    recoded = f"wire [{w}:0] a; fNToRecFN #({e}, {s}) recode_left (left, a);"
    both = f"{recoded} wire [{w}:0] b; fNToRecFN #({e}, {s}) recode_right (right, b);"
    result = f"wire [{w}:0] r; wire [4:0] flags; recFNToFN #({e}, {s}) encode (r, out);"
    ports, out = f"input [{w - 1}:0] left, right", w
    match operation:
        case "arith.addf" | "arith.subf":
            subtract = f"1'b{int(operation == 'arith.subf')}"
            body = f"{both} {result} addRecFN #({e}, {s}) op ({CONTROL}, {subtract}, a, b, {NEAREST}, r, flags);"
        case "arith.mulf":
            body = f"{both} {result} mulRecFN #({e}, {s}) op ({CONTROL}, a, b, {NEAREST}, r, flags);"
        case "arith.cmpf":
            out = 1
            body = f"{both} wire lt, eq, gt, un; wire [4:0] flags; assign out = {_relation(predicate)};"
            body += f" compareRecFN #({e}, {s}) op (a, b, 1'b0, lt, eq, gt, un, flags);"
        case "arith.sitofp" | "arith.uitofp":
            ports, signed = f"input [{operand_width - 1}:0] left", int(operation == "arith.sitofp")
            body = f"{result} iNToRecFN #({integer}, {e}, {s}) op ({CONTROL}, 1'b{signed}, left, {NEAREST}, r, flags);"
        case _:
            ports, signed, out = f"input [{w - 1}:0] left", int(operation == "arith.fptosi"), integer
            body = f"{recoded} wire [{integer - 1}:0] n; wire [2:0] flags;"
            body += f" wire nan = left[{w - 2}:0] > {w - 1}'d{form.infinity};"
            body += f" recFNToIN #({e}, {s}, {integer}) op ({CONTROL}, a, {TOWARD_ZERO}, 1'b{signed}, n, flags);"
            body += f" assign out = nan ? {integer}'d0 : n;"
    return f'`include "HardFloat_consts.vi"\nmodule unit ({ports}, output [{out - 1}:0] out);\n{body}\nendmodule\n'


def _relation(predicate: str) -> str:
    if predicate in ("true", "false"):
        return f"1'b{int(predicate == 'true')}"
    if predicate in ("ord", "uno"):
        return "un" if predicate == "uno" else "!un"
    parts = {"eq": "eq", "ne": "lt || gt", "lt": "lt", "le": "lt || eq", "gt": "gt", "ge": "gt || eq"}
    return parts[predicate[1:]] + (" || un" if predicate[0] == "u" else "")

"""A scheduled graph as CIRCT text: `hw.module` over comb, seq and sv.

Pipelines always advance: `seq.compreg` without reset or enable, on `%clk: !seq.clock` (no clk port at depth 0). A
registered rom is an unpacked array with an initial block and a registered read, which synthesis infers as block RAM.
"""

from __future__ import annotations

from .bits import SIGNED, Bits, reachable
from .contents import words_inside
from .pipeliner import Pipeline, last_use

BINARY = {"add": "add", "sub": "sub", "and": "and", "or": "or", "xor": "xor"}
SIGNED_SUM = 'sv.verbatim.expr "$unsigned($signed({{0}}) + $signed({{1}}))"'
COMPARE = {"eq": "eq", "ult": "ult", "slt": "slt"}


def emit(name: str, inputs: list[Bits], schedule: Pipeline) -> str:
    """`hw.module @name(in %<input>…, in %clk: !seq.clock, out out: iW)`."""
    return Emitter(schedule).module(name, inputs)


class Emitter:
    """Values are named %<prefix>n<index>_<stage>, inputs as they are called."""

    def __init__(self, schedule: Pipeline, prefix: str = ""):
        self.schedule, self.prefix = schedule, prefix
        self.lines: list[str] = []
        self.constants: dict[tuple[int, int], str] = {}

    def module(self, name: str, inputs: list[Bits]) -> str:
        """The module as text: these inputs, `%clk` if the pipeline has stages, and the output `out`."""
        schedule = self.schedule
        ports = [f"in %{node.attribute}: i{node.width}" for node in inputs]
        if schedule.depth:
            ports.append("in %clk: !seq.clock")
        ports.append(f"out out: i{schedule.output.width}")
        self.body()
        lines = [*self.constant_lines(), *self.lines, f"hw.output {self.result()} : i{schedule.output.width}"]
        body = "".join(f"  {line}\n" for line in lines)
        return f"hw.module @{name}({', '.join(ports)}) {{\n{body}}}\n"

    def body(self) -> None:
        """Fill `lines` with every value and register."""
        schedule = self.schedule
        last = last_use(schedule)
        for node in reachable(schedule.output):
            if node.op == "const":
                continue
            stage = schedule.stages[node.index]
            if node.op != "input":
                self.define(node, stage)
            for later in range(stage + 1, last[node.index] + 1):
                hint = node.hint or (str(node.attribute) if node.op == "input" else "")
                attributes = f' {{sv.namehint = "{hint}_{later}"}}' if hint else ""
                value = f"seq.compreg {self.at(node, later - 1)}, %clk{attributes} : i{node.width}"
                self.lines.append(f"{self.at(node, later)} = {value}")
        self.result()

    def result(self) -> str:
        """The name of the output's value in the last stage."""
        return self.at(self.schedule.output, self.schedule.depth)

    def constant_lines(self) -> list[str]:
        """The definitions of all constants that `constant` has named."""
        return [f"{v} = hw.constant {c} : i{w}" for (c, w), v in self.constants.items()]

    def at(self, node: Bits, stage: int) -> str:
        """The value of a node in a stage."""
        if node.op == "const":
            return self.constant(node.value, node.width)
        if node.op == "input" and stage == 0:
            return f"%{node.attribute}"
        own = self.schedule.stages[node.index]
        value = f"%{self.prefix}n{node.index}"
        if node.op == "input":
            return f"{value}_{stage}"
        return value if stage == own else f"{value}_{stage}"

    def constant(self, value: int, width: int) -> str:
        """The name of a constant; `value` is unsigned."""
        signed = value - (1 << width) if value >> (width - 1) else value
        return self.constants.setdefault((signed, width), f"%{self.prefix}c{len(self.constants)}")

    def define(self, node: Bits, stage: int) -> None:
        """Writes the line that computes a node in a stage."""
        result, w = f"%{self.prefix}n{node.index}", node.width
        v = [self.at(o, stage) for o in node.operands] if node.op != "rom" else []
        hint = f' {{sv.namehint = "{node.hint}"}}' if node.hint else ""
        wide = node.operands[0].width
        match node.op:
            case "add" if node.attribute == SIGNED:
                text = f"{SIGNED_SUM}({v[0]}, {v[1]}) : (i{w}, i{w}) -> i{w}"
            case "add" | "sub" | "and" | "or" | "xor":
                text = f"comb.{node.op} {v[0]}, {v[1]}{hint} : i{w}"
            case "not":
                text = f"comb.xor {v[0]}, {self.constant((1 << w) - 1, w)}{hint} : i{w}"
            case "eq" | "ult" | "slt":
                text = f"comb.icmp {node.op} {v[0]}, {v[1]}{hint} : i{wide}"
            case "any":
                text = f"comb.icmp ne {v[0]}, {self.constant(0, wide)}{hint} : i{wide}"
            case "all":
                text = f"comb.icmp eq {v[0]}, {self.constant((1 << wide) - 1, wide)}{hint} : i{wide}"
            case "mux":
                text = f"comb.mux {v[0]}, {v[1]}, {v[2]}{hint} : i{w}"
            case "extract":
                text = f"comb.extract {v[0]} from {node.attribute}{hint} : (i{wide}) -> i{w}"
            case "concat":
                text = f"comb.concat {', '.join(v)}{hint} : {', '.join(f'i{o.width}' for o in node.operands)}"
            case "rep":
                text = f"comb.replicate {v[0]}{hint} : (i1) -> i{w}"
            case "mul" | "muls":
                a, b = (self.extended(o, x, w, node.op == "muls") for o, x in zip(node.operands, v, strict=True))
                text = f"comb.mul {a}, {b}{hint} : i{w}"
            case "table" | "rom":
                self.lookup(node, stage, result)
                return
            case _:
                raise AssertionError(f"no operation {node.op}")
        self.lines.append(f"{result} = {text}")

    def extended(self, operand: Bits, value: str, width: int, signed: bool) -> str:
        """The name of `value` with zeros above or, if `signed`, copies of its top bit."""
        extra = width - operand.width
        if extra == 0:
            return value
        if operand.op == "const":
            top = operand.value >> (operand.width - 1) if signed else 0
            return self.constant((operand.value - (top << operand.width)) & ((1 << width) - 1), width)
        wide = f"%{self.prefix}wide{len(self.lines)}"  # no port is called that
        high = self.constant(0, extra)
        if signed:
            high = f"{wide}_sign"
            bit = f"{high}_bit"
            self.lines.append(f"{bit} = comb.extract {value} from {operand.width - 1} : (i{operand.width}) -> i1")
            self.lines.append(f"{high} = comb.replicate {bit} : (i1) -> i{extra}")
        self.lines.append(f"{wide} = comb.concat {high}, {value} : i{extra}, i{operand.width}")
        return wide

    def lookup(self, node: Bits, stage: int, result: str) -> None:
        """Writes a table: constants and a multiplexer, or a memory whose read is a pipeline register."""
        contents, address = node.attribute, node.operands[0]
        assert isinstance(contents, tuple)
        registered = node.op == "rom" and self.schedule.registered_roms
        value = self.at(address, stage - 1 if registered else stage)
        if registered:
            self.lines += registered_rom(result, value, address.width, node.width, contents, node.hint or "rom")
            return
        array = f"{result}_array"
        entries = ", ".join(self.constant(c, node.width) for c in reversed(contents))
        self.lines.append(f"{array} = hw.array_create {entries} : i{node.width}")
        kind = f"!hw.array<{len(contents)}xi{node.width}>, i{address.width}"
        self.lines.append(f"{result} = hw.array_get {array}[{value}] : {kind}")


def registered_rom(
    result: str, address: str, address_bits: int, width: int, contents: tuple[int, ...], hint: str
) -> list[str]:
    """Lines that read `contents` at `address` into a register: `result` is there one cycle later."""
    memory, kind, digits = f"{result}_memory", f"!hw.inout<uarray<{len(contents)}xi{width}>>", (width + 3) // 4
    words = words_inside([f"{{{{0}}}}[{i}] = {width}'h{value:0{digits}x};" for i, value in enumerate(contents)])
    return [
        *initialised_memory(memory, width, len(contents), hint, words),
        f"{result}_cell = sv.array_index_inout {memory}[{address}] : {kind}, i{address_bits}",
        f"{result}_read = sv.read_inout {result}_cell : !hw.inout<i{width}>",
        f"{result} = seq.compreg {result}_read, %clk : i{width}",
    ]


BLOCK = ' {sv.attributes = [#sv.attribute<"rom_style" = "\\"block\\"">]}'


def initialised_memory(memory: str, width: int, depth: int, hint: str, contents: str, block: bool = False) -> list[str]:
    """Lines that declare an array of `depth` cells. `contents` is the operation that gives the first of them their
    words: `words_inside` or a `reference` (contents.py). `block` asks for block RAM.
    """
    kind = f"!hw.inout<uarray<{depth}xi{width}>>"
    return [
        f'{memory} = sv.reg name "{hint}"{BLOCK if block else ""} : {kind}',
        "sv.initial {",
        f"  {contents} ({memory}) : {kind}",
        "}",
    ]

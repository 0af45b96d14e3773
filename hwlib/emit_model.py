"""The same graph as software: upstream-MLIR text over arith integers, for the CPU reference.

The text is a private `func.func` from the operand types to the result type, plus one private `memref.global` for
each table. Nothing in it depends on the floating-point environment.
"""

from __future__ import annotations

from .bits import Bits, reachable

SIMPLE = {"add": "addi", "sub": "subi", "and": "andi", "or": "ori", "xor": "xori"}


def emit(name: str, inputs: list[tuple[Bits, str]], output: Bits, result_type: str) -> str:
    """Top-level operations defining @name; `inputs` pairs each port with its MLIR type."""
    return _Emitter(name).function(inputs, output, result_type)


def _is_integer(kind: str) -> bool:
    return kind[0] == "i" and kind != "index"


class _Emitter:
    def __init__(self, name: str):
        self.name = name
        self.lines: list[str] = []
        self.tables: dict[tuple[tuple[int, ...], int], str] = {}
        self.constants: dict[tuple[int, int], str] = {}
        self.count = 0

    def function(self, inputs: list[tuple[Bits, str]], output: Bits, result_type: str) -> str:
        values: dict[int, str] = {}
        for node, kind in inputs:
            values[node.index] = f"%{node.attribute}"
            if kind == "index":
                values[node.index] = self.emit(f"arith.index_cast %{node.attribute} : index to i{node.width}")
            elif not _is_integer(kind):
                values[node.index] = self.emit(f"arith.bitcast %{node.attribute} : {kind} to i{node.width}")
        for node in reachable(output):
            if node.op == "const":
                values[node.index] = self.constant(node.value, node.width)
            elif node.op != "input":
                values[node.index] = self.define(node, [values[o.index] for o in node.operands])
        result = values[output.index]
        if result_type == "index":
            result = self.emit(f"arith.index_cast {result} : i{output.width} to index")
        elif not _is_integer(result_type):
            result = self.emit(f"arith.bitcast {result} : i{output.width} to {result_type}")
        ports = ", ".join(f"%{node.attribute}: {kind}" for node, kind in inputs)
        constants = [
            f"{v} = arith.constant " + (f"{c} : i{w}" if w > 1 else "true" if c else "false")
            for (c, w), v in self.constants.items()
        ]
        body = "".join(f"  {line}\n" for line in [*constants, *self.lines])
        tables = "".join(
            f'memref.global "private" constant @{symbol} : memref<{len(contents)}xi{w}> = dense<{list(contents)}>\n'
            for (contents, w), symbol in self.tables.items()
        )
        header = f"func.func private @{self.name}({ports}) -> {result_type}"
        return f"{tables}{header} {{\n{body}  return {result} : {result_type}\n}}\n"

    def emit(self, text: str) -> str:
        self.count += 1
        self.lines.append(f"%v{self.count} = {text}")
        return f"%v{self.count}"

    def constant(self, value: int, width: int) -> str:
        signed = value - (1 << width) if width > 1 and value >> (width - 1) else value
        return self.constants.setdefault((signed, width), f"%c{len(self.constants)}")

    def resized(self, value: str, old: int, new: int, signed: bool = False) -> str:
        if old == new:
            return value
        operation = "arith.trunci" if new < old else "arith.extsi" if signed else "arith.extui"
        return self.emit(f"{operation} {value} : i{old} to i{new}")

    def define(self, node: Bits, v: list[str]) -> str:
        w, wide = node.width, node.operands[0].width
        match node.op:
            case "add" | "sub" | "and" | "or" | "xor":
                return self.emit(f"arith.{SIMPLE[node.op]} {v[0]}, {v[1]} : i{w}")
            case "not":
                return self.emit(f"arith.xori {v[0]}, {self.constant((1 << w) - 1, w)} : i{w}")
            case "eq" | "ult" | "slt":
                return self.emit(f"arith.cmpi {node.op}, {v[0]}, {v[1]} : i{wide}")
            case "any":
                return self.emit(f"arith.cmpi ne, {v[0]}, {self.constant(0, wide)} : i{wide}")
            case "all":
                return self.emit(f"arith.cmpi eq, {v[0]}, {self.constant((1 << wide) - 1, wide)} : i{wide}")
            case "mux":
                return self.emit(f"arith.select {v[0]}, {v[1]}, {v[2]} : i{w}")
            case "extract":
                low = node.attribute
                assert isinstance(low, int)
                moved = self.emit(f"arith.shrui {v[0]}, {self.constant(low, wide)} : i{wide}") if low else v[0]
                return self.resized(moved, wide, w)
            case "rep":
                return self.emit(f"arith.extsi {v[0]} : i1 to i{w}")
            case "concat":
                return self.concat(node, v)
            case "mul" | "muls":
                signed = node.op == "muls"
                a, b = (self.resized(x, o.width, w, signed) for x, o in zip(v, node.operands, strict=True))
                return self.emit(f"arith.muli {a}, {b} : i{w}")
            case "table" | "rom":
                assert isinstance(node.attribute, tuple)
                symbol = self.tables.setdefault((node.attribute, w), f"{self.name}_table{len(self.tables)}")
                size = 1 << wide
                index = self.emit(f"arith.index_castui {v[0]} : i{wide} to index")
                memory = self.emit(f"memref.get_global @{symbol} : memref<{size}xi{w}>")
                return self.emit(f"memref.load {memory}[{index}] : memref<{size}xi{w}>")
        raise AssertionError(f"no operation {node.op}")

    def concat(self, node: Bits, v: list[str]) -> str:
        joined = ""
        position = node.width
        for operand, value in zip(node.operands, v, strict=True):
            position -= operand.width
            if operand.op == "const" and operand.value == 0:
                continue
            part = self.resized(value, operand.width, node.width)
            if position:
                part = self.emit(f"arith.shli {part}, {self.constant(position, node.width)} : i{node.width}")
            joined = self.emit(f"arith.ori {joined}, {part} : i{node.width}") if joined else part
        return joined or self.constant(0, node.width)

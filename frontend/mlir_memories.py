"""Functions of an MLIR file that take and return memories (memref): their ports, and their loops.

An argument that is only written is an output, one that is only read an input; what is returned is an output. Outputs
that are arguments come first.

Refuses: `in-out-argument`, `dynamic-shape`, `unsupported-dtype`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch_mlir import ir
from torch_mlir.passmanager import PassManager

from torch2hw.frontend.mlir_cpu import Kind
from torch2hw.frontend.mlir_types import functions, kind_of, line_of
from torch2hw.frontend.refusals import DynamicShape, InOutArgument, UnsupportedDtype
from torch2hw.tools.errors import Torch2HWError, raise_all

LOOPS = (
    "builtin.module(func.func(refback-munge-memref-copy,convert-linalg-to-affine-loops),fold-memref-alias-ops,"
    "func.func(affine-fold-memref-alias-ops,affine-expand-index-ops-as-affine,canonicalize,cse))"
)
_READS = ("affine.load", "memref.load")


def loops(text: str) -> str:
    """The module with linalg's operations as loops, and accesses of views as accesses of what they show."""
    module = ir.Module.parse(text, ir.Context())
    with module.context:
        PassManager.parse(LOOPS).run(module.operation)
    made: str = module.operation.get_asm(enable_debug_info=True, print_generic_op_form=True)
    return made


def has_memories(main: Any) -> bool:
    """Whether a function is one over memories."""
    kinds = [*main.type.inputs, *main.type.results]
    return any(isinstance(kind, ir.MemRefType) for kind in kinds)


@dataclass(frozen=True)
class MemoryPorts:
    """The positions of inputs and outputs among the arguments, and types and shapes of all ports in order."""

    inputs: tuple[int, ...]
    written: tuple[int, ...]
    input_kinds: tuple[Kind, ...]
    output_kinds: tuple[Kind, ...]

    @property
    def order(self) -> tuple[int, ...]:
        """Positions of inputs, then outputs; returned memories stand behind the arguments."""
        given = (*self.inputs, *self.written)
        returned = len(self.output_kinds) - len(self.written)
        return (*given, *range(len(given), len(given) + returned))


def memory_ports(module: Any, shown: str) -> MemoryPorts:
    """The ports of `main`, whose linalg operations are loops."""
    main = functions(module)["main"]
    arguments = list(main.operation.regions[0].blocks[0].arguments)
    inputs: list[int] = []
    written: list[int] = []
    kinds: list[Kind] = []
    errors: list[Torch2HWError] = []
    for number, argument in enumerate(arguments):
        try:
            kinds.append(_static(argument.type, shown, line_of(main), f"argument {number}"))
            reads, writes = _uses(argument)
            if reads and writes:
                raise _both(number, writes[0], reads[0], shown)
            (written if writes else inputs).append(number)
        except Torch2HWError as error:
            errors.append(error)
    raise_all(errors)
    returned = [_static(kind, shown, line_of(main), "a result") for kind in main.type.results]
    return MemoryPorts(
        tuple(inputs),
        tuple(written),
        tuple(kinds[number] for number in inputs),
        (*(kinds[number] for number in written), *returned),
    )


def _static(kind: Any, shown: str, line: int, what: str) -> Kind:
    dtype, shape = kind_of(kind, shown, line, what)
    if not is_plain(kind):
        raise UnsupportedDtype(
            f"{what} of the top function is a {kind}",
            location=(shown, line),
            fix="give a function over memories memories alone, in row-major layout, such as memref<4x8xf32>",
        )
    if -1 in shape:
        raise DynamicShape(
            f"{what} of the top function has a size that is open: {kind}",
            location=(shown, line),
            why="loops over memories are written for their sizes",
            fix="write the function for one size of each dimension",
        )
    return dtype, shape


def is_plain(kind: Any) -> bool:
    """Whether a type is a memory in row-major order."""
    if not isinstance(kind, ir.MemRefType):
        return False
    plain = ir.MemRefType.get(kind.shape, kind.element_type, loc=ir.Location.unknown(kind.context))
    return bool(plain == kind)


def _uses(memory: Any) -> tuple[list[int], list[int]]:
    """The lines at which a memory is read, and written; views of it included."""
    reads: list[int] = []
    writes: list[int] = []
    for use in memory.uses:
        user = use.owner.operation
        if user.name in ("affine.store", "memref.store"):
            writes.append(line_of(user))
        elif user.name in _READS or user.name == "func.return":
            reads.append(line_of(user))
        else:
            for result in user.results:
                if isinstance(result.type, ir.MemRefType):
                    below = _uses(result)
                    reads, writes = reads + below[0], writes + below[1]
    return sorted(reads), sorted(writes)


def _both(number: int, written: int, read: int, shown: str) -> InOutArgument:
    return InOutArgument(
        f"argument {number} of the top function is read and written",
        location=(shown, written),
        why=f"a port of the design is an input or an output, and line {read} reads it",
        fix="compute in a memory of the function (memref.alloc), and copy it to the argument or return it",
    )

"""What each level may contain, as a check that its text is a program of that level.

| level     | dialects                                                  | parsed and verified by |
|-----------|-----------------------------------------------------------|------------------------|
| torch     | torch, func                                               | torch-mlir             |
| linalg    | linalg, tensor, arith, math, func                         | torch-mlir             |
| affine    | affine, memref, arith, math, func; scf for arms           | torch-mlir             |
| scheduled | the same; every operation has its unit and its cycle      | torch-mlir             |
| scf       | scf, memref, arith, math, func (sequential schedule only) | torch-mlir             |
| calyx     | calyx, hw, comb                                           | CIRCT                  |
| hw        | hw, comb, seq, sv                                         | CIRCT                  |
| sv        | SystemVerilog                                             | slang                  |
"""

from __future__ import annotations

from collections.abc import Callable

LEVELS = ("torch", "linalg", "affine", "scheduled", "scf", "calyx", "hw", "sv")
"""In order; every pass goes from one of them to the same or a later one."""

UPSTREAM = {
    "torch": {"builtin", "torch", "func"},
    "linalg": {"builtin", "linalg", "tensor", "arith", "math", "func"},
    "affine": {"builtin", "affine", "memref", "arith", "math", "func"},
    "scheduled": {"builtin", "affine", "memref", "arith", "math", "func"},
    "scf": {"builtin", "scf", "memref", "arith", "math", "func"},
}


def verify(level: str, text: str) -> None:
    """Raises ValueError, or the parser's own error, if `text` is no program of `level`."""
    VERIFIERS[level](text)


def _upstream(level: str) -> Callable[[str], None]:
    def check(text: str) -> None:
        from torch_mlir import ir
        from torch_mlir.dialects import torch as torch_dialect

        context = ir.Context()
        if level == "torch":
            torch_dialect.register_dialect(context)
        module = ir.Module.parse(text, context)
        foreign: set[str] = set()

        def visit(operation: ir.Operation) -> ir.WalkResult:
            if operation.name.split(".")[0] not in UPSTREAM[level]:
                foreign.add(operation.name)
            return ir.WalkResult.ADVANCE

        module.operation.walk(visit)
        if foreign:
            raise ValueError(f"not of the {level} level: {', '.join(sorted(foreign))}")

    return check


def _calyx(text: str) -> None:
    from torch2hw.dialects import calyx

    calyx.verify(text)


def _hw(text: str) -> None:
    from pycde.circt import ir, register_dialects

    context = ir.Context()
    register_dialects(context)
    with context, ir.Location.unknown():
        ir.Module.parse(text)


def _sv(text: str) -> None:
    import pyslang

    errors = [diagnostic for diagnostic in pyslang.syntax.SyntaxTree.fromText(text).diagnostics if diagnostic.isError()]
    if errors:
        raise ValueError(f"{len(errors)} syntax errors in the SystemVerilog")


VERIFIERS: dict[str, Callable[[str], None]] = {
    **{level: _upstream(level) for level in UPSTREAM},
    "calyx": _calyx,
    "hw": _hw,
    "sv": _sv,
}
assert tuple(VERIFIERS) == LEVELS

"""Programs that are MLIR modules or text: verified by the tools that define them.

torch and linalg are modules in memory, which torch-mlir's verifier goes through as they are. scf, hw and sv are text,
which is parsed; contents of memories stand beside it, by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from torch2hw.hwlib.contents import REFERENCE, Contents

_REFERENCE_IN_CIRCT = re.compile(r'\$readmemh\(\\22([^"\\]+)\\22')

DIALECTS = {
    "torch": {"builtin", "torch", "func"},
    "linalg": {"builtin", "linalg", "tensor", "arith", "math", "func", "memref", "affine", "scf"},
    "scf": {"builtin", "scf", "memref", "arith", "math", "func"},
}
"""What the upstream levels may contain."""


def said(error: Exception) -> str:
    """What an MLIR library says about a fault: its message and the first place, in one line."""
    return " ".join(line.strip() for line in str(error).strip().split("\n")[:2])


def upstream_faults(level: str, module: Any) -> Iterator[str]:
    """torch-mlir's verifier and the dialects of the level, on a module in memory."""
    from torch_mlir import ir

    try:
        module.operation.verify()
    except ir.MLIRError as error:
        yield said(error)
        return
    foreign: set[str] = set()

    def visit(operation: Any) -> Any:
        name = operation.name
        if name.partition(".")[0] not in DIALECTS[level]:
            foreign.add(name)
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit)
    if foreign:
        yield f"not of the {level} level: {', '.join(sorted(foreign))}"


def scf_faults(text: str) -> Iterator[str]:
    """The core of the sequential schedule, as torch-mlir parses it."""
    from torch_mlir import ir

    try:
        module = ir.Module.parse(text, ir.Context())
    except ir.MLIRError as error:
        yield said(error)
        return
    yield from upstream_faults("scf", module)


def hw_faults(text: str, contents: Mapping[str, Contents]) -> Iterator[str]:
    """CIRCT's parser and verifier, and the contents that memories refer to."""
    from torch2hw.tools.circt_bindings import ir, register_dialects

    context = ir.Context()
    register_dialects(context)
    with context, ir.Location.unknown():
        try:
            ir.Module.parse(text)
        except ir.MLIRError as error:
            yield said(error)
            return
    yield from contents_faults(circt_references(text), contents)


def sv_faults(text: str, contents: Mapping[str, Contents]) -> Iterator[str]:
    """slang's parser, and the contents that memories refer to."""
    import pyslang

    tree = pyslang.syntax.SyntaxTree.fromText(text)
    errors = [diagnostic for diagnostic in tree.diagnostics if diagnostic.isError()]
    if errors:
        yield f"{len(errors)} syntax errors in the SystemVerilog"
    yield from contents_faults({name for _, name, _ in REFERENCE.findall(text)}, contents)


def circt_references(text: str) -> set[str]:
    """The names of the contents that CIRCT's text refers to."""
    return set(_REFERENCE_IN_CIRCT.findall(text))


def contents_faults(referred: set[str], contents: Mapping[str, Contents]) -> Iterator[str]:
    """Contents that are referred to and not there."""
    for name in sorted(referred - contents.keys()):
        yield f"the contents {name} are not there"

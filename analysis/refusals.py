"""The refusal of an operation that has no unit."""

from __future__ import annotations

from torch2hw.dialects.loops import Source
from torch2hw.frontend.refusals import UnsupportedOperation


def unsupported(operation: str, source: Source | None) -> UnsupportedOperation:
    """The refusal of one MLIR operation at the user's line."""
    return UnsupportedOperation(
        f"{operation} is unsupported",
        location=None if source is None else (source.file, source.line),
        operation=operation,
        why="the compiler has neither a unit nor a lowering for this operation",
        fix="express the model without it, or add a unit to hwlib (docs/adding-a-unit.md says how)",
    )

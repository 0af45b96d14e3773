"""Finds operations in an MLIR module, to rewrite or remove them afterwards."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir


def operations_in(module: Any) -> list[Any]:
    """All of them, in order; they may be erased."""
    found: list[Any] = []

    def visit(operation: Any) -> Any:
        found.append(operation)
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit)
    return found


def operations_named(module: Any, name: str) -> list[Any]:
    """All of that name, in order; they may be erased."""
    found: list[Any] = []

    def visit(operation: Any) -> Any:
        if operation.name == name:
            found.append(operation)
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit)
    return found

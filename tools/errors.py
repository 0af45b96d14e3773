"""Errors and their text.

A refusal reads `file:line: error[code]: what`, then indented lines for the operation, the reason and the remedy;
unknown parts are left out. `file:line` is the user's PyTorch source. There is one class per cause. Classes of one stage
are beside that stage (`frontend/refusals.py`); here are the base class and the causes that belong to no stage.

Exit statuses: 1 the model was refused, 2 the command line was wrong, 3 a result check failed, 70 a fault of torch2hw.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class Torch2HWError(Exception):
    """An error with a place in the user's source `(file, line)`, a code, a reason and a fix.

    `file` is as the user wrote it on the command line; a line of 0 stands for the file as a whole.
    """

    code: ClassVar[str] = "error"
    exit_status: int = 1

    def __init__(
        self,
        what: str,
        *,
        location: tuple[str, int] | None = None,
        operation: str | None = None,
        why: str | None = None,
        fix: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.location = location
        self.operation = operation
        self.why = why
        self.fix = fix

    def __str__(self) -> str:
        place = ""
        if self.location is not None:
            file, line = self.location
            place = f"{file}:{line}: " if line else f"{file}: "
        lines = [f"{place}error[{self.code}]: {self.what}"]
        for label, text in (("operation", self.operation), ("why", self.why), ("fix", self.fix)):
            if text is not None:
                lines.append(f"  {label}: {text}")
        return "\n".join(lines)


class SeveralErrors(Torch2HWError):
    """Two or more refusals of one run, in source order; `errors` holds them, its text is theirs one after the other."""

    def __init__(self, errors: Sequence[Torch2HWError]) -> None:
        super().__init__(f"{len(errors)} errors")
        self.errors = tuple(errors)
        statuses = {error.exit_status for error in errors}
        self.exit_status = statuses.pop() if len(statuses) == 1 else Torch2HWError.exit_status

    def __reduce__(self) -> tuple[type[SeveralErrors], tuple[tuple[Torch2HWError, ...]]]:
        return SeveralErrors, (self.errors,)  # from process to process

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


def reason(error: Exception) -> str:
    """What an error of the system or of a library says, without its number and its file."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return said[:1].lower() + said[1:]


def raise_all(errors: Sequence[Torch2HWError]) -> None:
    """Raise what was collected: nothing, the one error, or all of them as `SeveralErrors`; each cause once a line."""
    distinct: dict[object, Torch2HWError] = {}
    for error in errors:
        distinct.setdefault((error.location, error.what), error)
    ordered = sorted(distinct.values(), key=lambda error: error.location or ("", 0))
    if len(ordered) == 1:
        raise ordered[0]
    if ordered:
        raise SeveralErrors(ordered)


class UsageError(Torch2HWError):
    """The command line, or an option of the Python interface, is wrong."""

    code = "usage"
    exit_status = 2


class MissingTool(Torch2HWError):
    """A program that pip does not install (a C++ compiler, `make`) is missing."""

    code = "missing-tool"


class CheckError(Torch2HWError):
    """A result differs from its reference."""

    code = "check-failed"
    exit_status = 3


class InternalError(Torch2HWError):
    """A fault of torch2hw or of a library: `pass_name` was running, `reproducer` is a file that shows it again."""

    code = "internal"
    exit_status = 70

    def __init__(self, what: str, *, pass_name: str | None = None, reproducer: str | None = None) -> None:
        super().__init__(
            what,
            operation=None if pass_name is None else f"pass {pass_name}",
            why="this is a fault in torch2hw, not in your model",
            fix="report it with your model" + ("" if reproducer is None else f" and the reproducer {reproducer}"),
        )
        self.pass_name = pass_name
        self.reproducer = reproducer

"""From a Python stack, and from an MLIR location, to the line of the user's source.

Inside the compiler a file has a *short* name: its path relative to the model file's folder, or its bare name when it
lies elsewhere, with quotes, backslashes, controls, other scripts and % as %XX (`names.escaped`). Locations in MLIR,
comments in the SystemVerilog and the manifest hold short names, so that output does not depend on where the model lies.
Diagnostics show the file as the user wrote it (`Sources.shown`).

Every operation's location at the linalg level is `loc("layer"(callsite(innermost at … at outermost)))`: the frames are
the user's alone, and `layer` is the path of the `nn.Module` that made the operation (`encoder.0.norm`), left out where
it is the model itself. An operation that no line of the user's `forward` made (all of `nn.Sequential`) is placed where
its layer was constructed.
"""

from __future__ import annotations

import functools
import re
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from torch2hw.dialects.loops import Source
from torch2hw.dialects.names import escaped, unescaped
from torch2hw.tools.errors import SeveralErrors, Torch2HWError

SITE = "_torch2hw_constructed_at"
"""Attribute of an `nn.Module` that holds the `(file, line)` of its construction; a deep copy keeps it."""

SourceLocation = Source


def source_of(location: object) -> SourceLocation | None:
    """The user's innermost frame of an MLIR location of any binding, or of its text; None where it has none."""
    frame = re.search(r'"((?:[^"\\]|\\.)*)":(\d+):\d+', str(location))
    return None if frame is None else SourceLocation(frame.group(1), int(frame.group(2)))


def layer_of(location: object) -> str | None:
    """The path of the layer that made the operation, such as `encoder.0.norm`; None where it is the model itself."""
    name = re.search(r'"((?:[^"\\]|\\.)*)"\(', str(location))
    return None if name is None else name.group(1)


@dataclass(frozen=True)
class Sources:
    """The user's files: which are theirs, their short names, and how to show them.

    `folder` is the absolute folder of the model file; `shown_folder` is that folder as the user wrote it.
    """

    folder: Path
    shown_folder: Path
    operations: dict[tuple[str, int], tuple[str, ...]] = field(default_factory=dict)
    """What the model's graph computes at each line, by short name: `aten.item`. Filled when it is exported."""
    _elsewhere: dict[str, str] = field(default_factory=dict)

    def short(self, file: str) -> str:
        """The short name of the file of a stack frame."""
        path = Path(file)
        if path.is_relative_to(self.folder):
            return escaped(path.relative_to(self.folder).as_posix())
        name = escaped(path.name)
        self._elsewhere[name] = file
        return name

    def shown(self, short: str) -> str:
        """How a diagnostic shows the file with this short name."""
        return self._elsewhere.get(short) or str(self.shown_folder / unescaped(short))

    def place(self, file: str, line: int) -> tuple[str, int]:
        """A frame's file and line as `Torch2HWError.location` wants them."""
        return self.shown(self.short(file)), line

    def show(self, error: Torch2HWError) -> None:
        """Put places of the compiler, whose files have short names, as the user wrote them; and what the user wrote in
        place of an operation of MLIR."""
        for one in error.errors if isinstance(error, SeveralErrors) else (error,):
            if one.location is None:
                continue
            refused = one.exit_status == 1  # `operation` of other errors is a part of the design
            written = self.operations.get(one.location) if refused else None
            if written and one.operation is not None and one.operation not in written and not _is_aten(one.operation):
                names = " or ".join(written)
                one.what, one.operation = one.what.replace(one.operation, names), names
            one.location = (self.shown(one.location[0]), one.location[1])

    def frames(self, trace: TracebackType | None) -> list[tuple[str, int]]:
        """The user's own frames of a traceback, outermost first."""
        frames = []
        while trace is not None:
            frames.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
            trace = trace.tb_next
        return [frame for frame in frames if self.owns(frame[0])]

    def owns(self, file: str) -> bool:
        """Whether a frame's file is the user's: not Python's, not an installed package's, not ours."""
        if file.startswith("<") or _is_ours(file):
            return False
        return not _is_installed(file) or (_is_installed(str(self.folder)) and Path(file).is_relative_to(self.folder))


def _is_aten(operation: str) -> bool:
    """Whether PyTorch has the operation, not MLIR."""
    return operation.split(".")[0] in ("aten", "prims", "quantized")


@functools.cache
def _is_ours(file: str) -> bool:
    package = Path(str(sys.modules[__name__.partition(".")[0]].__file__)).parent.resolve()
    return Path(file).resolve().parent in (package, package.parent / "frontend")


@functools.cache
def _is_installed(file: str) -> bool:
    folders = {sysconfig.get_paths()[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    return any(Path(file).is_relative_to(folder) for folder in folders)


@contextmanager
def recording_construction(sources: Sources) -> Iterator[None]:
    """While active, each `nn.Module` remembers which line of the user constructed it."""
    from torch import nn

    original = nn.Module.__init__

    def recording(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        site = _caller(sources, sys._getframe(1))
        if site is not None:
            self.__dict__.setdefault(SITE, site)

    nn.Module.__init__ = recording  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.Module.__init__ = original  # type: ignore[method-assign]


def _caller(sources: Sources, frame: FrameType | None) -> tuple[str, int] | None:
    while frame is not None:
        if sources.owns(frame.f_code.co_filename):
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return None

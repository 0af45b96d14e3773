"""What becomes of a model, line by line, before it is compiled: operations that are supported as they are, those that
are decomposed into others, what they cost, and everything that is refused.

The front end and the first passes run, up to the one that looks for a unit for every operation. Costs are estimates
from the loops as they are then: iterations over lanes (N² where there are multiply-accumulates), and the LUTs of the
units that the operations of a lane need. The design overlaps, shares and fuses, which `torch2hw report` knows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch2hw.analysis.unit_binding import luts_of
from torch2hw.compiler.compiled import Compiled, compile_model, library_of
from torch2hw.compiler.options import Options
from torch2hw.dialects.loops import Operation
from torch2hw.frontend.load_model import LoadedModel
from torch2hw.frontend.locations import source_of
from torch2hw.tools.errors import SeveralErrors, Torch2HWError
from torch2hw.tools.walking import operations_in

LAST_PASS = "check-units"
EXPENSIVE = 0.25
"""Of all cycles, or of all LUTs: a line with more is expensive."""


@dataclass
class Line:
    """A line of the model: the operations that its code means, those that they become if they are others, and estimates
    of what they cost."""

    file: str
    line: int
    operations: tuple[str, ...]
    becomes: tuple[str, ...] = ()
    cycles: int = 0
    luts: int = 0
    refused: bool = False
    expensive: bool = False

    @property
    def status(self) -> str:
        """The worst that can be said of it."""
        if self.refused:
            return "refused"
        return "expensive" if self.expensive else "decomposed" if self.becomes else "supported"

    def __str__(self) -> str:
        cost = f"; about {self.cycles:,} cycles, {self.luts:,} LUTs" if self.cycles else ""
        into = f" into {', '.join(self.becomes)}" if self.becomes else ""
        kind = f"decomposed{into}" if into else "supported"
        marks = {"refused": "refused", "expensive": f"{kind}, expensive"}.get(self.status, kind)
        return f"{self.file}:{self.line}: {', '.join(self.operations) or 'data'}: {marks}{cost}"


@dataclass
class ModelCheck:
    """The lines in order, and the refusals."""

    model: str
    lines: list[Line] = field(default_factory=list)
    refused: list[Torch2HWError] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The object of `check --json`."""
        lines = [
            {
                "file": each.file,
                "line": each.line,
                "operations": list(each.operations),
                "becomes": list(each.becomes),
                "status": each.status,
                "estimated_cycles": each.cycles,
                "estimated_luts": each.luts,
            }
            for each in self.lines
        ]
        refused = [
            {
                "file": (each.location or ("", 0))[0],
                "line": (each.location or ("", 0))[1],
                "code": each.code,
                "what": each.what,
                "operation": each.operation,
                "why": each.why,
                "fix": each.fix,
            }
            for each in self.refused
        ]
        return {"model": self.model, "lines": lines, "refused": refused}

    def __str__(self) -> str:
        ending = f"{len(self.refused)} refused" if self.refused else "nothing is refused"
        return "\n".join([*map(str, self.lines), *map(str, self.refused), f"{self.model}: {ending}"])


def check_model(loaded: LoadedModel, options: Options) -> ModelCheck:
    """Look at a loaded model. Faults of ours are raised."""
    found = ModelCheck(loaded.source_file)
    compiled: Compiled | None = None
    try:
        compiled = compile_model(loaded, options, stop_after=LAST_PASS)
    except Torch2HWError as error:
        found.refused = list(error.errors if isinstance(error, SeveralErrors) else (error,))
        if any(each.exit_status != 1 for each in found.refused):
            raise
    lines: dict[tuple[str, int], Line] = {}
    for (file, number), operations in sorted(loaded.sources.operations.items()):
        lines[file, number] = Line(loaded.sources.shown(file), number, operations)
    places = {each.location for each in found.refused}
    for line in lines.values():
        line.refused = (line.file, line.line) in places
    if compiled is not None:
        _note_decompositions(compiled, lines)
        _note_costs(compiled, lines)
    found.lines = list(lines.values())
    return found


def _note_decompositions(compiled: Compiled, lines: dict[tuple[str, int], Line]) -> None:
    made: dict[tuple[str, int], dict[str, None]] = {}
    for operation in operations_in(compiled.imported.module):
        name, place = operation.name.removeprefix("torch."), source_of(operation.location)
        if place is not None and name.startswith(("aten.", "prims.", "quantized.")):
            made.setdefault((place.file, place.line), {})[".".join(name.split(".")[:2])] = None
    for key, names in made.items():
        if key in lines:
            lines[key].becomes = tuple(name for name in names if name not in lines[key].operations)


def _note_costs(compiled: Compiled, lines: dict[tuple[str, int], Line]) -> None:
    library = library_of(compiled.options)
    lanes = compiled.options.partition**2
    for kernel in compiled.result.kernels:  # type: ignore[attr-defined]
        source = kernel.source
        if source is None:
            continue
        line = lines.setdefault(
            (source.file, source.line), Line(compiled.loaded.sources.shown(source.file), source.line, ())
        )
        of_kernel = lanes if kernel.macs else 1
        line.cycles += -(-kernel.trip_count // of_kernel)
        line.luts += of_kernel * round(
            sum(luts_of(s, library) for s in kernel.statements() if isinstance(s, Operation))
        )
    cycles, luts = (sum(getattr(line, field) for line in lines.values()) for field in ("cycles", "luts"))
    for line in lines.values():
        line.expensive = len(lines) > 1 and (line.cycles > EXPENSIVE * cycles or line.luts > EXPENSIVE * luts)

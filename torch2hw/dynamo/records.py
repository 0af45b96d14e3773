"""What became of the graphs of torch.compile: which part ran where, how often, in how many cycles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class PartReport:
    """A part of a graph: `where` it runs (torch2hw or pytorch), its `operations`, how often it was run, the `cycles` of
    a run, `why` it is where it is, and the `design`, whose ports are the part's tensors that are no parameters."""

    where: str
    operations: tuple[str, ...]
    why: str = ""
    design: Any = None
    cycles: int | None = None
    runs: int = 0

    def __str__(self) -> str:
        cycles = "" if self.cycles is None else f", {self.cycles:,} cycles a run"
        why = f" ({self.why})" if self.why else ""
        runs = f"{self.runs} run{'' if self.runs == 1 else 's'}"
        return f"{self.where}: {', '.join(self.operations)}: {runs}{cycles}{why}"


@dataclass
class GraphReport:
    """What became of a graph for one set of shapes; `role` is inference, forward or backward."""

    role: str
    parts: list[PartReport] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join([f"{self.role} graph", *(f"  {part}" for part in self.parts)])


_reports: list[GraphReport] = []


def reset() -> None:
    """Forget the reports so far."""
    _reports.clear()


def reports() -> list[GraphReport]:
    """A report for each graph and set of shapes since `reset`, in the order of their first runs."""
    return list(_reports)


def last_report() -> GraphReport:
    """The latest of them."""
    return _reports[-1]


def add(report: GraphReport) -> None:
    """Put a report behind those so far."""
    _reports.append(report)

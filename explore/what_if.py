"""What other options would give: a design compiled again, really, with one option changed at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch2hw.compiler.compiled import Compiled, compile_model
from torch2hw.compiler.options import MAX_BANKS, Options
from torch2hw.explore.kernel_times import DesignTimes, KernelTime, design_times
from torch2hw.tools.errors import Torch2HWError


@dataclass(frozen=True)
class WhatIf:
    """`change` as the command line has it, and when the kernels of that design run."""

    change: str
    times: DesignTimes


def changes(options: Options) -> list[tuple[str, dict[str, Any]]]:
    """Options to try: twice the factor, a slower clock with shorter pipelines, dot product units, larger dividers."""
    period = round(options.clock_ns * 1.5, 2)
    tried: list[tuple[str, dict[str, Any]]] = []
    if options.partition * 2 <= MAX_BANKS:
        tried.append((f"--partition {options.partition * 2}", {"partition": options.partition * 2}))
    tried.append((f"--clock-ns {period:g}", {"clock_ns": period}))
    if options.sums == "float" and options.partition > 1:
        tried.append(("--sums block", {"sums": "block"}))
    if options.iterative_units:
        tried.append(("--no-iterative-units", {"iterative_units": False}))
    return tried


def what_ifs(compiled: Compiled, watch: Callable[[str], None] = lambda step: None) -> list[WhatIf]:
    """The designs that `changes` give; those that are refused are left out."""
    found = []
    for change, fields in changes(compiled.options):
        watch(f"compile with {change}")
        try:
            other = compile_model(compiled.loaded, replace(compiled.options, **fields), stop_at="calyx")
        except Torch2HWError:
            continue
        found.append(WhatIf(change, design_times(other)))
    return found


def sentence(kernel: KernelTime, tried: Sequence[WhatIf]) -> str:
    """What a kernel takes, its floor, what limits it, and the change that makes it fastest."""
    causes = ", ".join(f"{cause} ({cycles:,.0f} cycles)" for cause, cycles in list(kernel.lost.items())[:2])
    work = "multiply-accumulates of its lanes" if kernel.macs else "iterations"
    limit = causes or f"the {work}: no cycle is lost"
    text = f"takes {kernel.cycles:,} cycles, floor {kernel.floor_cycles:,}, limited by {limit}; "
    others = [(other.cycles, each) for each in tried for other in each.times.kernels if other.name == kernel.name]
    faster = [pair for pair in others if pair[0] < kernel.cycles]
    if not faster:
        names = ", ".join(each.change for _, each in others)
        return text + (f"none of {names} gives fewer." if names else "no other options have this kernel.")
    cycles, best = min(faster, key=lambda pair: pair[0])
    return f"{text}{best.change} gives {cycles:,} (the design {best.times.latency_cycles:,})."

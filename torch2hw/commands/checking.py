"""`--check`: the program after every pass, and the hardware."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch2hw.compiler.compiled import Compiled
    from torch2hw.progress import Progress
    from torch2hw.sim.pass_checker import Checked

CHECK_HELP = "run the program after every pass and simulate the hardware; name the first pass that changed a value"


def check_hardware(compiled: Compiled, progress: Progress) -> None:
    """Raise CheckError where the hardware differs from its reference on any of the inputs that the passes got."""
    from torch2hw.sim.check import simulate_sets
    from torch2hw.sim.pass_checker import sets_for

    progress.step("build the simulation")
    loaded = compiled.loaded
    sets = sets_for(loaded.model, compiled.imported, loaded.example_inputs)
    simulate_sets(compiled, sets, progress=progress.cycles).check()


def print_checked(checked: Sequence[Checked], whole: bool) -> None:
    """Say how many passes kept every bit, and what the others did; `whole`: the hardware was compared too."""
    moved = [str(each) for each in checked if not each.exact]
    exact = len(checked) - len(moved)
    hardware = "; so is the hardware" if whole else ""
    print(f"check: bit for bit after {exact} of {len(checked)} passes{hardware}", file=sys.stderr)
    for line in moved:
        print(f"  {line}", file=sys.stderr)

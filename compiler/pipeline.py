"""The passes, in order. This tuple is the compiler; everything else runs it.

A pass that stays on a level has a file and a class of its own in `passes/`. A step from one level to the next is the
function `lower` of a file in `lowering/`, whose name is the step's; `Lowering` makes it a pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from torch2hw.compiler.driver import Context, Pass
from torch2hw.compiler.options import Options
from torch2hw.compiler.text_program import Text
from torch2hw.frontend import torch_to_linalg
from torch2hw.hwlib.contents import fill, fill_verilog
from torch2hw.lowering.hardware import calyx_to_hw, hw_to_sv
from torch2hw.lowering.linalg import linalg_to_affine
from torch2hw.lowering.sequential import affine_to_scf, scf_to_calyx
from torch2hw.lowering.static import affine_to_scheduled, scheduled_to_calyx
from torch2hw.passes.bank_memories import BankMemories
from torch2hw.passes.bind_units import BindUnits
from torch2hw.passes.check_ports import CheckPorts
from torch2hw.passes.check_units import CheckUnits
from torch2hw.passes.choose_arms import ChooseArms
from torch2hw.passes.choose_lanes import ChooseLanes
from torch2hw.passes.choose_units import ChooseUnits
from torch2hw.passes.divide_by_constants import DivideByConstants
from torch2hw.passes.fold_initial_values import FoldInitialValues
from torch2hw.passes.fuse_epilogues import FuseEpilogues
from torch2hw.passes.fuse_outer_loops import FuseOuterLoops
from torch2hw.passes.fuse_rectifiers import FuseRectifiers
from torch2hw.passes.fuse_windows import FuseWindows
from torch2hw.passes.interleave_reductions import InterleaveReductions
from torch2hw.passes.name_kernels import NameKernels
from torch2hw.passes.overlap_kernels import OverlapKernels
from torch2hw.passes.remove_dead_code import RemoveDeadCode
from torch2hw.passes.reroll_loops import RerollLoops
from torch2hw.passes.share_constants import ShareConstants
from torch2hw.passes.share_memories import ShareMemories
from torch2hw.passes.simplify_arithmetic import SimplifyArithmetic
from torch2hw.tools.isolate import run_native


@dataclass(frozen=True)
class Lowering:
    """A step between levels as a pass: `module` is its file, whose docstring is its contract.

    `rounding` says where values are rounded in other places, if they may be.
    """

    module: ModuleType
    source: str
    target: str
    lower: Callable[[Any, Context], Any]
    rounding: str = ""

    @property
    def name(self) -> str:
        """The file's name."""
        return self.module.__name__.rpartition(".")[2].replace("_", "-")

    def run(self, program: Any, context: Context) -> tuple[Any, dict[str, Any]]:
        """The program one level down."""
        return self.lower(program, context), {"rounding": self.rounding} if self.rounding else {}


IMPORT: tuple[Pass, ...] = (
    Lowering(
        torch_to_linalg,
        "torch",
        "linalg",
        lambda program, _: torch_to_linalg.lower(program),
        "PyTorch's kernels add in an order of their own",
    ),
    Lowering(
        linalg_to_affine,
        "linalg",
        "affine",
        lambda program, c: linalg_to_affine.lower(program, c.top),
        "functions of constants are rounded once, from float64",
    ),
)


def _hw(program: Any, context: Context) -> Text:
    return Text(run_native(calyx_to_hw.lower, program.text(), program.definitions), program.contents, fill)


def _sv(program: Text, context: Context) -> Text:
    return Text(run_native(hw_to_sv.export, program.content), program.contents, fill_verilog)


EXPORT: tuple[Pass, ...] = (Lowering(calyx_to_hw, "calyx", "hw", _hw), Lowering(hw_to_sv, "hw", "sv", _sv))

SIMPLIFY: tuple[Pass, ...] = (
    FuseEpilogues(),
    RemoveDeadCode(),
    FoldInitialValues(),
    SimplifyArithmetic(),
)

CHECKED: tuple[Pass, ...] = (
    RemoveDeadCode(),  # of what those before it left unread
    CheckUnits(),  # before anything asks the library for a latency
)

STATIC: tuple[Pass, ...] = (
    *IMPORT,
    *SIMPLIFY,
    DivideByConstants(),  # of what is no product by now
    *CHECKED,
    FuseWindows(),
    RerollLoops(),  # once no kernel is fused any more, and before any is made different from its equals
    NameKernels(),
    ChooseLanes(),
    FuseOuterLoops(),  # after the lanes, and before the loops within a round are ordered
    InterleaveReductions(),  # after the lanes: it interleaves what they leave of the outputs
    BankMemories(),  # after the arms are written out: banks follow from the accesses of one cycle
    ShareMemories(),  # once no kernel moves any more and layouts are fixed
    ChooseUnits(),  # once the banks say how often an iteration can start
    ShareConstants(),  # in the order in which the kernels read them
    BindUnits(),
    FuseRectifiers(),  # the last that changes what is computed: the result is the design's reference
    Lowering(
        affine_to_scheduled,
        "affine",
        "scheduled",
        lambda program, c: affine_to_scheduled.lower(program, c.library, c.options.share_units),
    ),
    OverlapKernels(),
    CheckPorts(),  # the schedule is what it speaks of, and the last to be decided
    Lowering(
        scheduled_to_calyx,
        "scheduled",
        "calyx",
        lambda program, c: scheduled_to_calyx.lower(program, c.library),
    ),
    *EXPORT,
)

SEQUENTIAL: tuple[Pass, ...] = (  # the paper's flow: arms and banks, no schedule
    *IMPORT,
    *SIMPLIFY,
    *CHECKED,
    NameKernels(),
    ChooseArms(),
    Lowering(
        affine_to_scf,
        "affine",
        "scf",
        lambda program, c: affine_to_scf.lower(program, c.library, c.options.sequential_banking),
    ),
    Lowering(scf_to_calyx, "scf", "calyx", lambda program, c: scf_to_calyx.lower(program, c.library)),
    *EXPORT,
)


SCHEDULES = {"static": STATIC, "sequential": SEQUENTIAL}


def passes_for(options: Options) -> tuple[Pass, ...]:
    """The passes of a schedule."""
    return SCHEDULES[options.schedule]


def contract_of(step: Pass) -> str:
    """What a pass needs, leaves and refuses: the docstring of its file."""
    import sys

    module = step.module if isinstance(step, Lowering) else sys.modules[type(step).__module__]
    return (module.__doc__ or "").strip()

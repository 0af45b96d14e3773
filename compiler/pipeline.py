"""The passes, in order. This tuple is the compiler; everything else runs it.

A pass that stays on a level has a file and a class of its own in `passes/`: here it is a `Rewrite`. A step from one
level to the next is the function `lower` of a file in `lowering/`, whose name is the step's: here it is a `Lowering`.
Both name their files, which are imported when they are first needed: with them come PyTorch, MLIR and CIRCT, without
which the list of passes is printed.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from torch2hw.compiler.options import Options

if TYPE_CHECKING:
    from torch2hw.compiler.driver import Context, Pass
    from torch2hw.compiler.text_program import Text


@dataclass(frozen=True)
class Lowering:
    """A step between levels as a pass: `lower` is given its file, whose docstring is its contract.

    `rounding`: where values may be rounded differently, if so.
    """

    file: str
    source: str
    target: str
    lower: Callable[[Any, Any, Context], Any]
    rounding: str = ""

    @property
    def name(self) -> str:
        """The file's name."""
        return self.file.rpartition(".")[2].replace("_", "-")

    def loaded(self) -> Pass:
        """This pass, its file imported."""
        self._module()
        return self

    def run(self, program: Any, context: Context) -> tuple[Any, dict[str, Any]]:
        """The program one level down."""
        return self.lower(self._module(), program, context), {"rounding": self.rounding} if self.rounding else {}

    def _module(self) -> ModuleType:
        return import_module(f"torch2hw.{self.file}")


@dataclass(frozen=True)
class Rewrite:
    """A pass of `passes/` by its name and the level on which it stays: FuseEpilogues of fuse_epilogues.py is
    fuse-epilogues."""

    name: str
    source: str = "affine"

    @property
    def target(self) -> str:
        """The level it leaves."""
        return self.source

    @property
    def file(self) -> str:
        """As `Lowering`'s."""
        return f"passes.{self.name.replace('-', '_')}"

    def loaded(self) -> Pass:
        """The pass itself."""
        name = "".join(word.capitalize() for word in self.name.split("-"))
        made: Pass = getattr(import_module(f"torch2hw.{self.file}"), name)()
        return made

    def run(self, program: Any, context: Context) -> tuple[Any, dict[str, Any]]:
        """What the pass itself does."""
        return self.loaded().run(program, context)


Step = Lowering | Rewrite


IMPORT: tuple[Step, ...] = (
    Lowering(
        "frontend.torch_to_linalg",
        "torch",
        "linalg",
        lambda file, program, _: file.lower(program),
        "PyTorch's kernels add in an order of their own",
    ),
    Lowering(
        "lowering.linalg.linalg_to_affine",
        "linalg",
        "affine",
        lambda file, program, c: _affine(file, program, c.top),
        "functions of constants are rounded once, from float64",
    ),
)


def _affine(file: Any, program: Any, top: str) -> Any:
    """The loops of linalg on tensors, or of a function over memories."""
    from torch2hw.lowering.memref import memref_to_affine

    return file.lower(program, top) if program.places is None else memref_to_affine.lower(program, top)


def _hw(file: Any, program: Any, context: Context) -> Text:
    from torch2hw.compiler.text_program import Text
    from torch2hw.dialects import calyx
    from torch2hw.hwlib.contents import fill
    from torch2hw.tools.isolate import run_native

    text = run_native(file.lower, program.text(), program.definitions)
    calyx.verified.cache_clear()
    return Text(text, program.contents, fill)


def _sv(file: Any, program: Text, context: Context) -> Text:
    from torch2hw.compiler.text_program import Text
    from torch2hw.hwlib.contents import fill_verilog
    from torch2hw.tools.isolate import run_native

    return Text(run_native(file.export, program.content), program.contents, fill_verilog)


EXPORT: tuple[Step, ...] = (
    Lowering("lowering.hardware.calyx_to_hw", "calyx", "hw", _hw),
    Lowering("lowering.hardware.hw_to_sv", "hw", "sv", _sv),
)

FUSE: tuple[Step, ...] = (
    Rewrite("fuse-epilogues"),
    Rewrite("remove-dead-code"),
    Rewrite("fold-initial-values"),
)

INTEGERS: tuple[Step, ...] = (  # of quantised numbers, once what makes and reads a tensor stands in one kernel
    Rewrite("read-codes"),
    Rewrite("integer-extremes"),
    Rewrite("integer-sums"),
    Rewrite("requantise-sums"),
    Rewrite("remove-dead-code"),  # of the floats that nobody reads any more
)

SIMPLIFY: tuple[Step, ...] = (
    Rewrite("fold-constants"),  # of what keeps its codes no longer
    Rewrite("simplify-arithmetic"),
)

CHECKED: tuple[Step, ...] = (
    Rewrite("remove-dead-code"),  # of what those before it left unread
    Rewrite("check-units"),  # before anything asks the library for a latency
)

STATIC: tuple[Step, ...] = (
    *IMPORT,
    *FUSE,
    *INTEGERS,
    *SIMPLIFY,
    Rewrite("divide-after-sums"),
    Rewrite("divide-by-constants"),  # of what is no product by now
    *CHECKED,
    Rewrite("tabulate-codes"),  # of arithmetic as it stays, on units that there are
    Rewrite("fuse-windows"),
    Rewrite("requantise-after-maxima"),  # of windows that are with what they are of
    Rewrite("fuse-terms"),  # of what is left apart
    Rewrite("narrow-storage"),  # once kernels are fused: what is not stored is not rounded
    Rewrite("narrow-products"),
    Rewrite("reroll-loops"),  # once no kernel is fused any more, and before any is made different from its equals
    Rewrite("split-epilogues"),  # of kernels as they stay; named like all others
    Rewrite("name-kernels"),
    Rewrite("split-flattened-loops"),  # so that lanes lie along the dimensions in which a buffer has banks
    Rewrite("choose-lanes"),
    Rewrite("pair-products"),  # of lanes
    Rewrite("fuse-outer-loops"),  # after the lanes, and before the loops within a round are ordered
    Rewrite("interleave-reductions"),  # after the lanes: it interleaves what they leave of the outputs
    Rewrite("bank-memories"),  # after the arms are written out: banks follow from the accesses of one cycle
    Rewrite("share-memories"),  # once no kernel moves any more and layouts are fixed
    Rewrite("choose-units"),  # once the banks say how often an iteration can start
    Rewrite("share-constants"),  # in the order in which the kernels read them
    Rewrite("bind-units"),
    Rewrite("fuse-rectifiers"),  # the last that changes what is computed: the result is the design's reference
    Lowering(
        "lowering.static.affine_to_scheduled",
        "affine",
        "scheduled",
        lambda file, program, c: file.lower(program, c.library, c.options.share_units),
    ),
    Rewrite("overlap-kernels", "scheduled"),
    Rewrite("check-ports", "scheduled"),  # the schedule is what it speaks of, and the last to be decided
    Lowering(
        "lowering.static.scheduled_to_calyx",
        "scheduled",
        "calyx",
        lambda file, program, c: file.lower(program, c.library, c.options.host, c.options.ultra_ram),
    ),
    *EXPORT,
)

SEQUENTIAL: tuple[Step, ...] = (  # the paper's flow: arms and banks, no schedule
    *IMPORT,
    *FUSE,
    *SIMPLIFY,
    *CHECKED,
    Rewrite("narrow-storage"),  # products stay in f32, where the bits are the same
    Rewrite("name-kernels"),
    Rewrite("choose-arms"),
    Lowering(
        "lowering.sequential.affine_to_scf",
        "affine",
        "scf",
        lambda file, program, c: file.lower(program, c.library, c.options.sequential_banking),
    ),
    Lowering(
        "lowering.sequential.scf_to_calyx",
        "scf",
        "calyx",
        lambda file, program, c: file.lower(program, c.library),
    ),
    *EXPORT,
)


SCHEDULES = {"static": STATIC, "sequential": SEQUENTIAL}


def passes_for(options: Options) -> tuple[Pass, ...]:
    """The passes of a schedule, their files imported: no pass's time has the import in it."""
    return tuple(step.loaded() for step in SCHEDULES[options.schedule])


def contract_of(step: Step) -> str:
    """What a pass needs, leaves and refuses: the docstring of its file, which is read and not imported."""
    found = find_spec(f"torch2hw.{step.file}")
    assert found is not None and found.origin is not None
    return ast.get_docstring(ast.parse(Path(found.origin).read_bytes())) or ""

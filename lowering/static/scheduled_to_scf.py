"""scheduled → scf, for `--emit scf`: the loops with explicit index arithmetic, and the schedule as attributes. It runs.

Before:  affine.for %i … { %x = affine.load %in[%i * 4 + 1] … {cycle = 2 : i64} }
After:   scf.for %i … { %c4 = arith.constant 4 … arith.muli … arith.addi … memref.load … {cycle = 2 : i64} }

No later step uses this text: `scheduled_to_calyx` lowers the scheduled program itself, whose index expressions become
address generators. The sequential flow has its own level scf (`affine_to_scf`).
"""

from __future__ import annotations

from torch2hw.dialects.program import Program


def emit(program: Program) -> str:
    """The text, by upstream's lower-affine."""
    from torch_mlir import ir
    from torch_mlir.passmanager import PassManager

    with ir.Context():
        module = ir.Module.parse(program.text())
        PassManager.parse("builtin.module(lower-affine)").run(module.operation)
        return str(module.operation.get_asm())

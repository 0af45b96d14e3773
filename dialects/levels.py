"""The levels of a program, in order, and what each may contain.

| level     | dialects                                                             | its data                          |
|-----------|----------------------------------------------------------------------|-----------------------------------|
| torch     | torch, func                                                          | a torch-mlir module               |
| linalg    | linalg, tensor, arith, math, func                                    | a torch-mlir module               |
| affine    | affine, memref, arith, math, func; scf for arms, where it is printed | `program.py`, `loops.py`          |
| scheduled | the same; every operation has its unit and its cycle                 | the same, with `schedule.py`      |
| scf       | scf, memref, arith, math, func (sequential schedule only)            | MLIR text                         |
| calyx     | calyx, hw, comb                                                      | MLIR text, hardware, contents     |
| hw        | hw, comb, seq, sv                                                    | MLIR text, contents               |
| sv        | SystemVerilog                                                        | text, contents                    |

`verify` checks the promises of each.
"""

from __future__ import annotations

LEVELS = ("torch", "linalg", "affine", "scheduled", "scf", "calyx", "hw", "sv")
"""Every pass goes from one of them to the same or a later one."""

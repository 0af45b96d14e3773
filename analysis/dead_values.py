"""Values of a kernel that reach no store."""

from __future__ import annotations

from dataclasses import replace

from torch2hw.dialects.loops import Kernel


def without_dead_values(kernel: Kernel) -> Kernel:
    """`kernel` without statements and carried values that reach no store."""
    needed = kernel.needed_for({store.value for store in kernel.stores()})
    return replace(
        kernel,
        stages=tuple(
            replace(
                stage,
                statements=tuple(s for s in stage.statements if s.result in needed),
                carried=tuple(c for c in stage.carried if c.name in needed),
            )
            for stage in kernel.stages
        ),
    )

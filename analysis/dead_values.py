"""Values of a kernel that reach no store."""

from __future__ import annotations

from dataclasses import replace

from torch2hw.dialects.loops import Nest


def without_dead_values(nest: Nest) -> Nest:
    """`nest` without statements and carried values that reach no store."""
    needed = nest.needed_for({store.value for store in nest.stores()})
    return replace(
        nest,
        stages=tuple(
            replace(
                stage,
                statements=tuple(s for s in stage.statements if s.result in needed),
                carried=tuple(c for c in stage.carried if c.name in needed),
            )
            for stage in nest.stages
        ),
    )

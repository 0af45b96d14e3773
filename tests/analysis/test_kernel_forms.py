"""Kernels have the same form if they compute the same, apart from constants in indices and the buffers."""

from __future__ import annotations

from dataclasses import replace

from tests.passes.test_fuse_epilogues import added, guarded
from tests.passes.test_fuse_outer_loops import buffer, mapped
from torch2hw.analysis.kernel_forms import form_of
from torch2hw.dialects.loops import Operation
from torch2hw.dialects.storage import OUTPUT

X, Z, Y = buffer("x", 4, 4), buffer("z", 4, 4), buffer("y", 4, 4, OUTPUT)


def test_names_buffers_and_constants_of_indices_do_not_count() -> None:
    one, other = mapped("one", X, Y, shift=1), mapped("other", Z, Y, shift=2)
    assert form_of(one).key == form_of(other).key
    assert form_of(one).loaded == (X,) and form_of(other).loaded == (Z,)
    assert form_of(one).offsets != form_of(other).offsets


def test_what_is_computed_counts() -> None:
    kernel = added(X, Z, Y)
    (stage,) = kernel.stages
    product = tuple(replace(s, name="arith.mulf") if isinstance(s, Operation) else s for s in stage.statements)
    others = [
        replace(kernel, stages=(replace(stage, statements=product),)),
        guarded(kernel, "b", 3),
        guarded(kernel, "b", 5),
        guarded(kernel, "a", 3),
        added(buffer("x", 4, 5), buffer("z", 4, 5), buffer("y", 4, 5, OUTPUT)),
        added(X, Z, buffer("t", 4, 4)),
    ]
    keys = [form_of(each).key for each in (kernel, *others)]
    assert all(keys.count(key) == 1 for key in keys)

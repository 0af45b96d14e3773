"""Index expressions turned round: which iteration touches an element."""

from __future__ import annotations

from torch2hw.dialects.quasi_affine import Index, Variable


def invert(offset: Index, variables: list[Variable], value: Index) -> dict[Variable, Index] | None:
    """The `variables` for which `offset` equals `value`, if `offset` is a mixed-radix number of just these."""
    if not offset.is_affine or offset.constant:
        return None
    strides = {atom: coefficient for atom, coefficient in offset.terms if isinstance(atom, Variable)}
    wanted = [v for v in variables if v.extent > 1]
    if set(strides) != set(wanted):
        return None
    result: dict[Variable, Index] = {v: Index((), 0) for v in variables if v.extent == 1}
    stride = 1
    ordered = sorted(wanted, key=lambda v: strides[v])
    for number, item in enumerate(ordered):
        if strides[item] != stride:
            return None
        quotient = value.floordiv(stride)
        result[item] = quotient if number == len(ordered) - 1 else quotient.remainder(item.extent)
        stride *= item.extent
    return result

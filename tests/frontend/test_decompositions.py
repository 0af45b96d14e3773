"""Operations that become others before torch-mlir sees them compute what PyTorch computes; elementary ones nearly."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch._decomp import decomposition_table
from torch.utils._pytree import tree_leaves

from torch2hw.frontend.decompositions import decompositions
from torch2hw.frontend.elementary_functions import ELEMENTARY
from torch2hw.frontend.index_functions import INDEXED
from torch2hw.frontend.number_functions import NUMBERS

aten = torch.ops.aten
SPECIAL = (0.0, -0.0, 1.0, -1.0, torch.inf, -torch.inf, torch.nan, 3.4e38, -3.4e38, 1.2e-38, 89.0, -88.8, 8192.5, 1e-7)
COUNT = 20_000
ERROR_ULP = {"tan": 2.0, "sinh": 4.0, "cosh": 3.0, "asin": 3.0, "acos": 3.0, "atan2": 2.0, "asinh": 3.0, "acosh": 3.0,
             "atanh": 3.0, "hypot": 2.5, "erfc": 6.0}  # fmt: skip


def numbers(seed: int) -> Tensor:
    """Of every size, most near 1; subnormals are zeros."""
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.exp2(torch.randint(-126, 128, (COUNT,), generator=generator).float())
    near = torch.exp2(torch.randint(-10, 8, (COUNT,), generator=generator).float())
    scale = torch.where(torch.rand(COUNT, generator=generator) < 0.2, sizes, near)
    return torch.cat([torch.randn(COUNT, generator=generator) * scale, torch.tensor(SPECIAL)])


def same(got: Any, wanted: Any) -> bool:
    pairs = list(zip(tree_leaves(got), tree_leaves(wanted), strict=True))
    return all(a.dtype == b.dtype and torch.equal(a.nan_to_num(7.5), b.nan_to_num(7.5)) for a, b in pairs)


@pytest.mark.parametrize("name", sorted(ERROR_ULP))
def test_elementary_functions(name: str) -> None:
    operation = getattr(aten, name).default
    operands = [numbers(1), numbers(2).flip(0)]
    operands = [torch.where(x.abs() < 2.0**-126, x * 0, x) for x in operands[: 1 + (name in ("atan2", "hypot"))]]
    got, exact = ELEMENTARY[operation](*operands), operation(*(x.double() for x in operands))
    wanted = exact.float()
    unit = torch.exp2((torch.frexp(exact)[1] - 24).clamp(min=-149).double())
    error = torch.where(got.eq(wanted) | (got.isnan() & wanted.isnan()), 0.0, (got.double() - exact).abs() / unit)
    assert float(error.nan_to_num(torch.inf).max()) <= ERROR_ULP[name]


def test_erfc_where_one_minus_erf_would_cancel() -> None:
    """Half a million numbers up to the last normal result; zero from there on; 2 on the other side."""
    x = torch.linspace(0.3, 9.19, 500_000)
    exact = torch.erfc(x.double())
    exact = torch.where(exact < 2.0**-126, 2.0**-126, exact)
    unit = torch.exp2((torch.frexp(exact)[1] - 24).double())
    error = (ELEMENTARY[aten.erfc.default](x).double() - exact).abs() / unit
    assert float(error.max()) <= ERROR_ULP["erfc"]
    ends = torch.tensor([torch.inf, 11.0, 50.0, -torch.inf, -6.0, 0.0, -0.0, torch.nan])
    wanted = torch.tensor([0.0, 0.0, 0.0, 2.0, 2.0, 1.0, 1.0, torch.nan])
    torch.testing.assert_close(ELEMENTARY[aten.erfc.default](ends), wanted, rtol=0, atol=0, equal_nan=True)


def test_zeros_keep_their_sign() -> None:
    zeros = torch.tensor([0.0, -0.0])
    for name in ("tan", "sinh", "asin", "asinh", "atanh"):
        assert torch.equal(ELEMENTARY[getattr(aten, name).default](zeros).signbit(), zeros.signbit()), name
    y, x = (grid.reshape(-1) for grid in torch.meshgrid(zeros, torch.tensor([0.0, -0.0, 1.0, -1.0]), indexing="ij"))
    torch.testing.assert_close(ELEMENTARY[aten.atan2.default](y, x), torch.atan2(y, x), rtol=0, atol=0)


@pytest.mark.parametrize("mode", [0, 1, 2])
@pytest.mark.parametrize("padding", [None, 2])
def test_embedding_bags(mode: int, padding: int | None) -> None:
    """Empty bags, bags of padding alone, indices before the first bag's end and after the last offset."""
    weight, indices = torch.randn(6, 3, generator=torch.Generator().manual_seed(1)), torch.tensor([2, 2, 0, 5, 1, 1, 2])
    samples = torch.linspace(-1, 2, 7) if mode == 0 else None
    for offsets, last in (([0, 2, 2, 5], False), ([0, 2, 2, 7], True), ([0], False)):
        rest = (torch.tensor(offsets), False, mode, False, samples, last, padding)
        got = INDEXED[aten.embedding_bag.padding_idx](weight, indices, *rest)
        torch.testing.assert_close(got[0], aten.embedding_bag.padding_idx(weight, indices, *rest)[0])


FLOATS = torch.tensor([[3.0, 1.0, torch.nan, 1.0, -0.0], [-torch.inf, 2.0, 2.0, 0.0, torch.inf]])
WHOLE = torch.tensor([-9, -4, -1, 0, 1, 4, 9, 2**40 + 1])
DIVISORS = torch.tensor([2, -3, 5, 7, -1, 3, -4, 3])
LARGE = torch.tensor([2**53 + 1, -(2**31) + 1, 2**24 + 1, -(2**63)])
BYTES = torch.tensor([200, 3, 255, 0], dtype=torch.uint8)
TWICE = torch.tensor([[0, 2, 0], [3, 3, 1]])
CUBE = torch.arange(24.0).sin().reshape(2, 3, 4)
AT = torch.tensor([[1], [-2]]), torch.tensor([0, 2])
MASK = torch.tensor([True, False, True])
NOTHING_GREATER = torch.tensor([torch.nan, 1.0, torch.nan, -torch.inf, -torch.inf, 2.0, 2.0, -0.0, 0.0])
IMAGE = NOTHING_GREATER[torch.arange(70) * 7 % 9].reshape(1, 2, 5, 7)
PARTS = (
    ([3, 3], [2, 2], [1, 1], [1, 1], False),
    ([2, 3], [1, 2], [1, 0], [2, 1], True),
    ([2, 2], [2, 2], [0, 0], [1, 1], True),
    ([5, 7], [1, 1], [0, 0], [1, 1], False),
)
WRITTEN = torch.arange(1.0, 13.0)
POOLED = torch.arange(70.0).sin().reshape(1, 2, 5, 7)
CASES: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
    *((operation, (WHOLE, by), {}) for operation in (aten.remainder.Scalar, aten.fmod.Scalar) for by in (7, -7, 8)),
    *((operation, (WHOLE, DIVISORS), {}) for operation in (aten.fmod.Tensor, aten.remainder.Tensor)),
    *((aten.floor_divide.default, (WHOLE, by), {}) for by in (DIVISORS, torch.tensor(4))),
    (aten.floor_divide.Scalar, (WHOLE, 8), {}),
    (aten.div.Tensor_mode, (WHOLE, DIVISORS), {"rounding_mode": "floor"}),
    *((aten.fmod.Scalar, (torch.arange(-9, 9) / 4, by), {}) for by in (0.5, 1, 0.7)),
    (aten.remainder.Scalar, (torch.arange(-9, 9) / 4, 1.0), {}),
    (aten.floor_divide.default, (torch.arange(1, 400) * 0.3, torch.tensor(0.3)), {}),
    *(
        (aten.isclose.default, (x, x.flip(0), 0.5), {"equal_nan": own})
        for x in (FLOATS, FLOATS[:, :2], WHOLE)
        for own in (False, True)
    ),
    (aten.clamp.default, (WHOLE, -1.5), {}),
    (aten.clamp_min.default, (WHOLE, 1.5), {}),
    (aten.clamp_max.default, (WHOLE, 1.5), {}),
    (aten.copysign.Tensor, (WHOLE, -WHOLE), {}),
    (aten.signbit.default, (torch.tensor([0.0, -0.0, -2.0, 2.0, -torch.inf]),), {}),
    (aten.copysign.Tensor, (FLOATS, torch.tensor([-1.0, 0.0, -0.0, 2.0, -torch.inf])), {}),
    (aten.copysign.Scalar, (FLOATS, -0.0), {}),
    (aten.isfinite.default, (FLOATS,), {}),
    (aten.pow.Tensor_Scalar, (WHOLE, 3), {}),
    *((aten.pow.Tensor_Scalar, (FLOATS, half), {}) for half in (0.5, -0.5)),
    (aten.linalg_vector_norm.default, (torch.tensor([[3.0, 4.0], [0.0, -0.0], [5.0, -12.0]]), 2, [1], True), {}),
    *((aten.mv.default, (x, x[0]), {}) for x in (POOLED[0, 0], WHOLE.reshape(4, 2), BYTES.reshape(2, 2))),
    *((aten.dot.default, (x, x), {}) for x in (WRITTEN, WHOLE)),
    *(
        (aten.addmv.default, (FLOATS[0, :2], CUBE[0, :2], WRITTEN[:4]), {"beta": beta, "alpha": 2})
        for beta in (0, 1, 0.5)
    ),
    (aten.bitwise_xor.Scalar, (WHOLE, 5), {}),
    *((operation, (FLOATS, dim), {}) for operation in (aten.cummax.default, aten.cummin.default) for dim in (0, 1)),
    (aten.cummax.default, (WHOLE, 0), {}),
    (aten.eq.Tensor, (FLOATS, FLOATS), {}),
    (aten.floor_divide.Scalar, (FLOATS, 2), {}),
    (aten.div.Tensor_mode, (WHOLE.to(torch.int8), DIVISORS.to(torch.int8)), {"rounding_mode": "trunc"}),
    *(
        (aten.sort.stable, (FLOATS,), {"stable": True, "dim": d, "descending": f})
        for d in (0, 1)
        for f in (False, True)
    ),
    (aten.topk.default, (WHOLE, 3), {}),
    (aten.topk.default, (WHOLE, 2, -1, False), {}),
    (aten.kthvalue.default, (WHOLE, 3), {}),
    (aten.median.dim, (WHOLE, 0), {}),
    (aten.median.default, (FLOATS,), {}),
    *(
        (operation, (torch.tensor(2.0), *more), {})
        for operation, more in ((aten.median.dim, (0,)), (aten.kthvalue.default, (1,)))
    ),
    (aten.scatter.src, (torch.zeros(2, 4), 1, TWICE[:, 1:], FLOATS), {}),
    (aten.scatter.value, (torch.zeros(2, 4), 1, TWICE, 2.5), {}),
    (aten.scatter_add.default, (torch.ones(2, 4), 1, TWICE, torch.arange(6.0).reshape(2, 3) * 0.1), {}),
    *(
        (aten.scatter_reduce.two, (x, 1, TWICE, x[:, 1:] - 3, how), {"include_self": own})
        for x in (FLOATS[:, 1:], WHOLE.reshape(2, 4))
        for how in ("sum", "prod", "mean", "amax", "amin")
        for own in (True, False)
    ),
    (aten.index_add.default, (torch.ones(4, 2), 0, torch.tensor([1, 1]), torch.ones(2, 2) * 0.1), {"alpha": 3}),
    (aten.index_copy.default, (torch.ones(2, 4), 1, torch.tensor([3, 0]), torch.arange(4.0).reshape(2, 2)), {}),
    (aten.index_fill.int_Scalar, (FLOATS, 1, torch.tensor([0, 3]), -1.5), {}),
    (aten.index_put.default, (FLOATS, [FLOATS > 0], torch.tensor(5.0)), {}),
    (aten.index_put.default, (FLOATS, [None, torch.tensor([-1, 1])], torch.zeros(2, 2)), {}),
    *(
        (aten.index_put.default, (CUBE, indices, WRITTEN[: torch.Size(shape).numel()].reshape(shape), added), {})
        for added in (False, True)
        for indices, shape in (
            ([None, AT[0], AT[1]], (2, 1, 2)),
            ([AT[0], None, AT[1]], (2, 2, 3)),
            ([AT[1] - 1, AT[1]], (2, 4)),
            ([AT[0].clamp(min=0), AT[1], AT[1]], ()),
            ([None, torch.tensor([[1, 1], [1, 0]])], (2, 2, 1)),
            ([None, None, torch.tensor(2)], (3,)),
            ([MASK[:2]], (1, 3, 4)),
            ([torch.stack([MASK, ~MASK])], (3, 4)),
            ([torch.stack([MASK, ~MASK])], (4,)),
        )
    ),
    *(
        (operation, (FLOATS.nan_to_num(3, 5, -5), dim, TWICE[:1, 1:], *more), {})
        for dim in (-1, 1)
        for operation, *more in (
            (aten.scatter.src, FLOATS[:, 2:]),
            (aten.scatter.value, 1.5),
            (aten.scatter_add.default, FLOATS[1:, 1:]),
            (aten.scatter_reduce.two, FLOATS[1:, 1:], "prod"),
        )
    ),
    (aten.scatter.src, (torch.tensor(1.0), 0, torch.tensor([0]), torch.tensor([2.0])), {}),
    (aten.index_add.default, (torch.tensor(1.0), 0, torch.tensor([0]), torch.tensor(2.0)), {}),
    (aten.index_copy.default, (CUBE, -1, torch.tensor([3, 0]), CUBE[..., :2]), {}),
    (aten.index_fill.int_Scalar, (CUBE, 1, torch.tensor(2), 9.5), {}),
    (aten.take.default, (CUBE, torch.tensor([[-1, 3], [0, 23]])), {}),
    *((aten.index_select.default, (x, 0, torch.tensor(0)), {}) for x in (CUBE, CUBE[0, 0, 0])),
    *((aten.max_pool2d_with_indices.default, (x, *how), {}) for x in (IMAGE, IMAGE[0].abs()) for how in PARTS),
    (aten.max_pool3d_with_indices.default, (IMAGE.expand(2, 3, 2, 5, 7)[None, :, 0], [2, 3, 2], [1, 2, 2], [1]), {}),
    *((aten.adaptive_max_pool2d.default, (IMAGE, parts), {}) for parts in ([5, 7], [2, 3], [1, 1])),
    (aten.max_pool3d_with_indices.default, (WHOLE.reshape(1, 2, 2, 2), [2, 1, 2], [1], [1, 0, 0]), {}),
    (aten.adaptive_max_pool3d.default, (IMAGE.reshape(1, 2, 5, 7), [2, 3, 7]), {}),
    *(
        (
            aten.max_pool2d_with_indices_backward.default,
            (*(lambda y, at: (y.cos(), POOLED, *how, at))(*aten.max_pool2d_with_indices(POOLED, *how)),),
            {},
        )
        for how in PARTS[1:]
    ),
    (aten.diagonal_scatter.default, (CUBE, WRITTEN[:6].reshape(3, 2), -1, 2, 0), {}),
    (aten.diagonal_scatter.default, (FLOATS, WRITTEN[:2], 3), {}),
    (aten.as_strided.default, (CUBE, [2, 3], [5, 2], 3), {}),
    (aten.as_strided_scatter.default, (CUBE, WRITTEN[:6].reshape(2, 3), [2, 3], [5, 2], 3), {}),
    *(
        (operation, (torch.tensor(3.0), 0, False), {})
        for operation in (aten._softmax.default, aten._log_softmax.default)
    ),
    (aten.logsumexp.default, (torch.tensor(3.0), [0]), {}),
    (aten.searchsorted.Tensor, (torch.arange(4.0), FLOATS), {"right": True}),
    *((aten.neg.default, (x,), {}) for x in (LARGE, LARGE.to(torch.int32), BYTES)),
    (aten.bitwise_or.Scalar, (WHOLE, 5), {}),
    (aten.roll.default, (FLOATS, [3]), {}),
    *((aten.roll.default, (FLOATS, shifts, [0, 1]), {}) for shifts in ([1, -2], [2, 5], [-1, 13])),
    (aten.adaptive_max_pool2d.default, (torch.arange(42.0).sin().reshape(1, 6, 7), [4, 5]), {}),
    *(
        (aten._adaptive_avg_pool3d.default, (torch.arange(72.0).reshape(1, 4, 3, 6) * 36, parts), {})
        for parts in ([2, 1, 6], [3, 2, 5])
    ),
    *(
        (aten.col2im.default, (torch.arange(2.0 * size * count).sin().reshape(-1, 2 * size, count), *shape), {})
        for size, count, shape in (
            (6, 9, ([4, 5], [2, 3], [1, 1], [0, 1], [1, 2])),
            (4, 9, ([5, 5], [2, 2], [2, 2], [0, 0], [1, 1])),
            (9, 4, ([4, 3], [3, 3], [1, 1], [1, 1], [2, 2])),
        )
    ),
    (aten.cat.default, ([BYTES, LARGE, BYTES],), {}),
    (aten.block_diag.default, ([FLOATS.half(), torch.tensor(0.1), torch.tensor(2)],), {}),
    (aten.block_diag.default, ([WHOLE.to(torch.int32), torch.zeros(0), torch.tensor(2**31)],), {}),
    (aten.block_diag.default, ([torch.tensor(1), torch.tensor(2.5)],), {}),
    (aten.block_diag.default, ([FLOATS, BYTES.reshape(2, 2), torch.tensor(3), WHOLE],), {}),
    *(
        (aten.sum.dim_IntList, (BYTES, [0]), {"dtype": kind})
        for kind in (torch.int32, torch.uint8, torch.float32, None)
    ),
    (aten.prod.default, (BYTES.to(torch.int8),), {"dtype": torch.int32}),
    (aten.mean.default, (BYTES,), {"dtype": torch.float32}),
    (aten.clamp.Tensor, (BYTES, BYTES.flip(0)), {}),
    (aten.mm.default, (BYTES.reshape(2, 2), BYTES.reshape(2, 2)), {}),
    *((operation, (BYTES, 0), {}) for operation in (aten.any.dim, aten.all.dim)),
]


@pytest.mark.parametrize(("operation", "arguments", "options"), CASES, ids=[str(case[0]) for case in CASES])
def test_other_functions(operation: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
    got = decompositions()[operation](*arguments, **options)
    assert same(got, operation(*arguments, **options))


def test_a_power_to_a_half_is_a_root_where_the_exponent_is_a_number() -> None:
    """(-0)^½ is -0 and (-inf)^½ NaN for a number, +0 and +inf for a tensor, which is left alone."""
    zeros = torch.tensor([0.0, -0.0])
    got = decompositions()[aten.pow.Tensor_Scalar](zeros, 0.5)
    assert torch.equal(got.signbit(), (zeros**0.5).signbit())
    assert aten.pow.Tensor_Tensor not in NUMBERS


def test_running_log_sums_do_not_overflow() -> None:
    x = torch.tensor([[100.0, 1.0, -1000.0, 100.0], [-torch.inf, -201.0, torch.inf, torch.nan]])
    got = decompositions()[aten.logcumsumexp.default](x, 1)
    torch.testing.assert_close(got, torch.logcumsumexp(x, 1), rtol=1e-6, atol=0, equal_nan=True)


def test_distances() -> None:
    x, y = torch.randn(3, 4), torch.randn(5, 4)
    torch.testing.assert_close(decompositions()[aten._cdist_forward.default](x, y, 2.0, None), torch.cdist(x, y))


def test_gelu_has_pytorchs_constant() -> None:
    x = torch.linspace(-5, 5, 1001)
    got = ELEMENTARY[aten.gelu.default](x, approximate="tanh")
    torch.testing.assert_close(got, torch.nn.functional.gelu(x, approximate="tanh"), rtol=1e-6, atol=3e-7)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_is_pytorchs_formula(kind: torch.dtype, affine: bool) -> None:
    operation = aten._native_batch_norm_legit_no_training.default
    generator = torch.Generator().manual_seed(3)
    for sizes in ((2, 5), (1, 5, 7), (3, 5, 2, 4)):
        x = torch.randn(sizes, generator=generator).to(kind)
        weight, bias, mean = (torch.randn(5, generator=generator).to(kind) if affine else None for _ in range(3))
        arguments = (x, weight, bias, mean if affine else torch.zeros(5), torch.rand(5, generator=generator))
        got = decompositions()[operation](*arguments, 0.1, 1e-5)
        formula = decomposition_table[aten._native_batch_norm_legit.default]
        assert same(got, formula(*arguments, False, 0.1, 1e-5)[:3])

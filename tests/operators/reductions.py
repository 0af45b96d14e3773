"""Operations over dimensions: sums and extremes, running results, sorting, products of matrices."""

from __future__ import annotations

from tests.operators.operands import b, c, f, i, n, p
from tests.operators.row import Row

MATRIX = {"ordinary": (f(2, 5),), "0-d": (f(),), "integer": (i(2, 5),), "NaN": (n(2, 5),)}
FLOATS = {"ordinary": (f(2, 5),), "NaN": (n(2, 5),)}
ARRAYS = {"ordinary": (f(2, 5),), "integer": (i(2, 5),), "NaN": (n(2, 5),)}
FINITE = {"ordinary": (f(2, 5),), "integer": (i(2, 5),)}

REDUCTIONS = (
    Row("aten.sum", "x.sum()", MATRIX),
    Row("aten.sum", "x.sum(1)", ARRAYS),
    Row("aten.mean", "x.mean()", {"ordinary": (f(2, 5),), "0-d": (f(),), "NaN": (n(2, 5),)}),
    Row("aten.mean", "x.mean(1, keepdim=True)", FLOATS),
    Row("aten.prod", "x.prod()", MATRIX),
    Row("aten.amax", "x.amax(1)", ARRAYS),
    Row("aten.amin", "x.amin(1)", ARRAYS),
    Row("aten.max", "x.max()", MATRIX),
    Row("aten.max", "x.max(1)", ARRAYS),
    Row("aten.min", "x.min()", MATRIX),
    Row("aten.min", "x.min(1)", ARRAYS),
    Row("aten.argmax", "x.argmax(1)", ARRAYS),
    Row("aten.argmin", "x.argmin(1)", ARRAYS),
    Row("aten.aminmax", "torch.aminmax(x, dim=1)", {"ordinary": (f(2, 5),)}),
    Row("aten.all", "x.all()", {"integer": (b(2, 5),)}),
    Row("aten.any", "x.any(1)", {"integer": (b(2, 5),)}),
    Row("aten.var", "x.var(1)", {"ordinary": (f(2, 5),)}),
    Row("aten.std", "x.std(1)", {"ordinary": (f(2, 5),)}),
    Row("aten.var_mean", "torch.var_mean(x, 1)", {"ordinary": (f(2, 5),)}),
    Row("aten.std_mean", "torch.std_mean(x, 1)", {"ordinary": (f(2, 5),)}),
    Row("aten.logsumexp", "torch.logsumexp(x, 1)", {"ordinary": (f(2, 5),)}),
    Row("aten.linalg_vector_norm", "torch.linalg.vector_norm(x, dim=1)", FLOATS),
    Row("aten.count_nonzero", "torch.count_nonzero(x, 1)", FINITE),
    Row("aten.nansum", "torch.nansum(x, 1)", {"ordinary": (f(2, 5),)}),
    Row("aten.trace", "torch.trace(x)", FINITE),
)

RUNNING = (
    Row("aten.cumsum", "x.cumsum(1)", FINITE),
    Row("aten.cumprod", "x.cumprod(1)", FINITE),
    Row("aten.cummax", "x.cummax(1)", ARRAYS),
    Row("aten.cummin", "x.cummin(1)", ARRAYS),
    Row("aten.logcumsumexp", "x.logcumsumexp(1)", {"ordinary": (f(2, 5),)}),
    Row("aten.diff", "torch.diff(x)", FINITE),
    Row("aten.trapezoid", "torch.trapezoid(x)", {"ordinary": (f(2, 5),)}),
)

SORTING = (
    Row("aten.sort", "x.sort(1)", ARRAYS),
    Row("aten.argsort", "x.argsort(1)", FINITE),
    Row("aten.topk", "x.topk(2)", FINITE),
    Row("aten.kthvalue", "x.kthvalue(2)", FINITE),
    Row("aten.median", "x.median(1)", ARRAYS),
    Row("aten.quantile", "torch.quantile(x, 0.25, dim=1)", {"ordinary": (f(2, 5),)}),
    Row(
        "aten.searchsorted",
        "torch.searchsorted(x.cummax(0)[0], y)",  # in order, whatever the operands of a simulation are
        {"ordinary": (f(5).sort()[0], f(2, 3)), "integer": (i(5).sort()[0], i(2, 3)), "NaN": (f(5).sort()[0], n(2, 3))},
    ),
    Row(
        "aten.bucketize",
        "torch.bucketize(y, x.cummax(0)[0])",
        {"ordinary": (f(5).sort()[0], f(2, 3)), "NaN": (f(5).sort()[0], n(2, 3))},
    ),
    Row("aten.mode", "x.mode(1)", {"integer": (i(2, 5),)}, {"integer": "unsupported-operation"}),
    Row("aten.unique", "x.unique()", {"integer": (i(2, 5),)}, {"integer": "dynamic-shape"}),
    Row("aten.histc", "torch.histc(x, 4)", {"ordinary": (f(2, 5),)}, {"ordinary": "unsupported-operation"}),
)

PRODUCT = {"ordinary": (f(2, 5), f(5, 3)), "integer": (i(2, 5), i(5, 3))}
BATCHES = {"ordinary": (f(2, 2, 5), f(2, 5, 3)), "integer": (i(2, 2, 5), i(2, 5, 3))}
BIASED = {"ordinary": (f(3), f(2, 5), f(5, 3))}

PRODUCTS = (
    Row("aten.mm", "torch.mm(x, y)", PRODUCT),
    Row("aten.matmul", "x @ y", PRODUCT | {"broadcast": (f(2, 1, 2, 5), f(3, 5, 2)), "NaN": (n(2, 5), p(5, 3))}),
    Row("aten.bmm", "torch.bmm(x, y)", BATCHES),
    Row("aten.mv", "torch.mv(x, y)", {"ordinary": (f(2, 5), f(5)), "integer": (i(2, 5), i(5))}),
    Row("aten.dot", "torch.dot(x, y)", {"ordinary": (f(5), f(5, seed=2)), "integer": (i(5), i(5, seed=2))}),
    Row("aten.outer", "torch.outer(x, y)", {"ordinary": (f(2), f(3)), "integer": (i(2), i(3))}),
    Row("aten.linear", "F.linear(y, z.t(), x)", BIASED),
    Row("aten.addmm", "torch.addmm(x, y, z)", BIASED),
    Row("aten.addmv", "torch.addmv(x, y, z)", {"ordinary": (f(2), f(2, 5), f(5))}),
    Row("aten.baddbmm", "torch.baddbmm(x, y, z)", {"ordinary": (f(2, 2, 3), f(2, 2, 5), f(2, 5, 3))}),
    Row("aten.einsum", "torch.einsum('bij,bjk->bik', x, y)", BATCHES),
    Row("aten.tensordot", "torch.tensordot(x, y, 1)", {"ordinary": PRODUCT["ordinary"]}),
    Row("aten.kron", "torch.kron(x, y)", {"ordinary": (f(2, 2), f(2, 3))}),
    Row(
        "aten.linalg_cross",
        "torch.linalg.cross(x, y)",
        {"ordinary": (f(2, 3), f(2, 3, seed=2)), "integer": (i(2, 3), c(2, 3))},
    ),
    Row("aten.cdist", "torch.cdist(x, y)", {"ordinary": (f(2, 3), f(4, 3))}, tolerance=1e-4),
    Row("aten.cosine_similarity", "F.cosine_similarity(x, y)", {"ordinary": (f(2, 3), f(2, 3, seed=2))}),
    Row(
        "aten.scaled_dot_product_attention",
        "F.scaled_dot_product_attention(x, y, z)",
        {"ordinary": (f(1, 2, 3, 4), f(1, 2, 3, 4, seed=2), f(1, 2, 3, 4, seed=3))},
    ),
    Row("aten.det", "torch.det(x)", {"ordinary": (f(3, 3),)}, {"ordinary": "unsupported-operation"}),
    Row("aten.linalg_inv", "torch.linalg.inv(x)", {"ordinary": (f(3, 3),)}, {"ordinary": "unsupported-operation"}),
    Row("aten.fft_fft", "torch.fft.fft(x).real", {"ordinary": (f(4),)}, {"ordinary": "unsupported-dtype"}),
)

ROWS = (*REDUCTIONS, *RUNNING, *SORTING, *PRODUCTS)

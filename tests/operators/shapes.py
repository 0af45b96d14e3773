"""Operations that move elements: shapes, parts, joins, padding, indexing."""

from __future__ import annotations

import torch

from tests.operators.operands import ONE, b, f, i, n, x
from tests.operators.row import Row

MATRIX = {"ordinary": (f(2, 3),), "integer": (i(2, 3),), "NaN": (n(2, 3),)}
CUBE = {"ordinary": (f(2, 3, 4),), "integer": (i(2, 3, 4),), "NaN": (n(2, 3, 4),)}
IMAGE = {"ordinary": (f(1, 2, 4, 4),)}
JOINED = {
    "ordinary": (f(2, 3), f(2, 3, seed=2)),
    "integer": (i(2, 3), i(2, 3, seed=2)),
    "NaN": (n(2, 3), n(2, 3, seed=3)),
}

VIEWS = (
    Row("aten.reshape", "x.reshape(3, 2)", MATRIX),
    Row("aten.view", "x.view(6)", MATRIX),
    Row("aten.flatten", "x.flatten(1)", CUBE),
    Row("aten.unflatten", "x.unflatten(2, (2, 2))", CUBE),
    Row("aten.squeeze", "x.unsqueeze(1).squeeze(1)", MATRIX),
    Row("aten.unsqueeze", "x.unsqueeze(0)", ONE),
    Row("aten.transpose", "x.transpose(0, 1)", MATRIX),
    Row("aten.t", "x.t()", MATRIX),
    Row("aten.permute", "x.permute(2, 0, 1)", CUBE),
    Row("aten.movedim", "x.movedim(0, 2)", CUBE),
    Row("aten.expand", "x.unsqueeze(0).expand(4, 2, 3)", MATRIX),
    Row("aten.slice", "x[:, 1:]", MATRIX),
    Row("aten.select", "x[1]", MATRIX),
    Row("aten.narrow", "x.narrow(1, 1, 2)", MATRIX),
    Row("aten.diagonal", "x.diagonal()", MATRIX),
    Row("aten.unfold", "x.unfold(1, 2, 1)", MATRIX),
    Row("aten.split", "x.split(2, 1)", MATRIX),
    Row("aten.chunk", "x.chunk(2, 2)", CUBE),
    Row("aten.unbind", "x.unbind(0)", MATRIX),
    Row("aten.clone", "x.clone()", ONE),
    Row("aten.contiguous", "x.transpose(0, 1).contiguous()", MATRIX),
    Row("aten.alias", "torch.ops.aten.alias(x)", MATRIX),
    Row("aten.detach", "x.detach()", MATRIX),
)

MADE = (
    Row("aten.zeros_like", "torch.zeros_like(x) + x", ONE),
    Row("aten.ones_like", "torch.ones_like(x) + x", ONE),
    Row("aten.full_like", "torch.full_like(x, 3) + x", ONE),
    Row("aten.full", "torch.full((2, 3), 0.5) + x", MATRIX),
    Row("aten.zeros", "torch.zeros(2, 3) + x", MATRIX),
    Row("aten.ones", "torch.ones(2, 3) + x", MATRIX),
    Row("aten.arange", "torch.arange(3) + x", MATRIX),
    Row("aten.linspace", "torch.linspace(0, 1, 3) + x", MATRIX),
    Row("aten.eye", "torch.eye(2, 3) + x", MATRIX),
    Row("aten.rand_like", "torch.rand_like(x)", {"ordinary": (f(2, 3),)}, {"ordinary": "unsupported-operation"}),
    Row(
        "aten.bernoulli",
        "torch.bernoulli(x.sigmoid())",
        {"ordinary": (f(2, 3),)},
        {"ordinary": "unsupported-operation"},
    ),
)

JOINS = (
    Row("aten.cat", "torch.cat([x, y], 1)", JOINED),
    Row("aten.stack", "torch.stack([x, y])", JOINED),
    Row("aten.hstack", "torch.hstack([x, y])", JOINED),
    Row("aten.vstack", "torch.vstack([x, y])", JOINED),
    Row("aten.block_diag", "torch.block_diag(x, y)", JOINED),
    Row("aten.repeat", "x.repeat(2, 1)", MATRIX),
    Row("aten.tile", "torch.tile(x, (1, 2))", MATRIX),
    Row("aten.repeat_interleave", "x.repeat_interleave(2, 1)", MATRIX),
    Row("aten.roll", "x.roll(1, 1)", MATRIX),
    Row("aten.flip", "x.flip(1)", MATRIX),
    Row("aten.rot90", "torch.rot90(x)", MATRIX),
    Row("aten.tril", "x.tril()", MATRIX),
    Row("aten.triu", "x.triu()", MATRIX),
    Row("aten.diag_embed", "torch.diag_embed(x)", MATRIX),
    Row("aten.meshgrid", "torch.meshgrid(x, y, indexing='ij')", {"ordinary": (f(2), f(3)), "integer": (i(2), i(3))}),
    Row("aten.pad", "F.pad(x, (1, 2), value=0.5)", {"ordinary": (f(2, 3),), "NaN": (n(2, 3),)}),
    Row("aten.pad", "F.pad(x, (1, 1, 1, 1), mode='reflect')", IMAGE),
    Row("aten.pad", "F.pad(x, (1, 1, 1, 1), mode='replicate')", IMAGE),
    Row("aten.pad", "F.pad(x, (1, 1, 1, 1), mode='circular')", IMAGE),
    Row("aten.pixel_shuffle", "F.pixel_shuffle(x, 2)", {"ordinary": (f(1, 4, 2, 2),)}),
    Row("aten.pixel_unshuffle", "F.pixel_unshuffle(x, 2)", IMAGE),
    Row("aten.channel_shuffle", "F.channel_shuffle(x, 2)", {"ordinary": (f(1, 4, 2, 2),)}),
    Row("aten.im2col", "F.unfold(x, 2)", IMAGE),
    Row("aten.col2im", "F.fold(x, (4, 4), 2, stride=2)", {"ordinary": (f(1, 8, 4),)}),
)

PLACES = {
    "ordinary": (f(3, 4), x(3, 2, high=4)),
    "integer": (i(3, 4), x(3, 2, high=4)),
    "NaN": (n(3, 4), x(3, 2, high=4)),
}
ROWS_AT = {"ordinary": (f(3, 4), x(2, high=3)), "integer": (i(3, 4), x(2, high=3)), "NaN": (n(3, 4), x(2, high=3))}
WRITTEN = {
    "ordinary": (f(3, 4), x(3, 2, high=4), f(3, 2, seed=2)),
    "integer": (i(3, 4), x(3, 2, high=4), i(3, 2, seed=2)),
}
ROWS_WRITTEN = {
    "ordinary": (f(3, 4), torch.tensor([2, 0]), f(2, 4, seed=2)),
    "integer": (i(3, 4), torch.tensor([2, 0]), i(2, 4, seed=2)),
    "NaN": (n(3, 4), torch.tensor([2, 0]), n(2, 4, seed=3)),
}

BAGS = {"ordinary": (f(5, 4), x(2, 3, high=5))}

INDEXED = (
    Row("aten.index", "x[y]", ROWS_AT),
    Row("aten.index_select", "x.index_select(0, y)", ROWS_AT),
    Row("aten.gather", "x.gather(1, y)", PLACES),
    Row("aten.take", "torch.take(x, y)", {"ordinary": (f(3, 4), x(2, 2, high=12))}),
    Row("aten.take_along_dim", "torch.take_along_dim(x, y, 1)", PLACES),
    Row("aten.embedding", "F.embedding(y, x)", ROWS_AT),
    Row("aten.embedding_bag", "F.embedding_bag(y, x, mode='mean')", BAGS),
    Row("aten.embedding_bag", "F.embedding_bag(y, x, mode='max')", BAGS, undefined=("NaN",)),
    Row("aten.embedding_bag", "F.embedding_bag(y.flatten(), x, torch.tensor([0, 1, 1, 4]), mode='sum')", BAGS),
    Row("aten.one_hot", "F.one_hot(x, 5)", {"integer": (x(2, 3, high=5),)}),
    Row("aten.scatter", "x.scatter(1, y, z)", WRITTEN),
    Row("aten.scatter_add", "x.scatter_add(1, y, z)", WRITTEN),
    Row("aten.scatter_reduce", "x.scatter_reduce(1, y, z, 'amax')", WRITTEN),
    Row("aten.index_add", "x.index_add(0, y, z)", ROWS_WRITTEN),
    Row("aten.index_copy", "x.index_copy(0, y, z)", ROWS_WRITTEN),
    Row("aten.index_fill", "x.index_fill(0, y, 2)", ROWS_AT),
    Row("aten.index_put", "torch.index_put(x, (y,), z)", ROWS_WRITTEN),
    Row("aten.slice_scatter", "x.slice_scatter(y, 1, 1, 3)", {"ordinary": (f(2, 4), f(2, 2))}),
    Row("aten.select_scatter", "x.select_scatter(y, 0, 1)", {"ordinary": (f(2, 4), f(4))}),
    Row("aten.masked_select", "x.masked_select(y)", {"ordinary": (f(2, 3), b(2, 3))}, {"ordinary": "dynamic-shape"}),
    Row("aten.nonzero", "x.nonzero()", {"integer": (i(2, 3),)}, {"integer": "dynamic-shape"}),
)

ROWS = (*VIEWS, *MADE, *JOINS, *INDEXED)

"""Convolutions, pooling, normalisation, resizing, recurrences, losses."""

from __future__ import annotations

from tests.operators.operands import f, n, p, x
from tests.operators.row import Row

ROW, IMAGE, VOLUME = f(1, 2, 7), f(1, 2, 5, 6), f(1, 2, 4, 4, 4)
ONE_D, TWO_D, THREE_D = ({"ordinary": (each,)} for each in (ROW, IMAGE, VOLUME))

CONVOLUTIONS = (
    Row("aten.conv1d", "F.conv1d(x, y, z)", {"ordinary": (ROW, f(3, 2, 3), f(3))}),
    Row("aten.conv2d", "F.conv2d(x, y, z, padding=1, stride=2)", {"ordinary": (IMAGE, f(3, 2, 3, 3), f(3))}),
    Row("aten.conv2d", "F.conv2d(x, y, groups=2)", {"ordinary": (IMAGE, f(2, 1, 3, 3))}),
    Row("aten.conv2d", "F.conv2d(x, y, dilation=2)", {"ordinary": (IMAGE, f(3, 2, 2, 2))}),
    Row("aten.conv3d", "F.conv3d(x, y)", {"ordinary": (VOLUME, f(2, 2, 2, 2, 2))}),
    Row(
        "aten.conv_transpose1d",
        "F.conv_transpose1d(x, y, stride=2)",
        {"ordinary": (ROW, f(2, 3, 3)), "NaN": (n(1, 2, 7), f(2, 3, 3))},
    ),
    Row(
        "aten.conv_transpose2d",
        "F.conv_transpose2d(x, y, stride=2)",
        {"ordinary": (IMAGE, f(2, 3, 2, 2)), "NaN": (n(1, 2, 5, 6), f(2, 3, 2, 2))},
    ),
)

POOLING = (
    Row("aten.max_pool1d", "F.max_pool1d(x, 2)", ONE_D),
    Row("aten.max_pool2d", "F.max_pool2d(x, 2, padding=1)", TWO_D),
    Row("aten.max_pool3d", "F.max_pool3d(x, 2)", THREE_D),
    Row("aten.max_pool2d_with_indices", "F.max_pool2d(x, 2, return_indices=True)", TWO_D),
    Row("aten.avg_pool1d", "F.avg_pool1d(x, 2)", ONE_D),
    Row("aten.avg_pool2d", "F.avg_pool2d(x, 2, padding=1, count_include_pad=False)", TWO_D),
    Row("aten.avg_pool3d", "F.avg_pool3d(x, 2)", THREE_D),
    Row("aten.adaptive_avg_pool1d", "F.adaptive_avg_pool1d(x, 3)", ONE_D),
    Row("aten.adaptive_avg_pool2d", "F.adaptive_avg_pool2d(x, (2, 4))", TWO_D),
    Row("aten.adaptive_avg_pool3d", "F.adaptive_avg_pool3d(x, 2)", THREE_D),
    Row("aten.adaptive_max_pool1d", "F.adaptive_max_pool1d(x, 3)", ONE_D),
    Row("aten.adaptive_max_pool2d", "F.adaptive_max_pool2d(x, (2, 4))", TWO_D),
)

NORMALISATION = (
    Row("aten.batch_norm", "F.batch_norm(x, y, z)", {"ordinary": (IMAGE, f(2), p(2))}),
    Row("aten.layer_norm", "F.layer_norm(x, (6,), y, z)", {"ordinary": (IMAGE, f(6), f(6, seed=2))}),
    Row("aten.group_norm", "F.group_norm(x, 2)", TWO_D),
    Row("aten.instance_norm", "F.instance_norm(x)", TWO_D),
    Row("aten.rms_norm", "F.rms_norm(x, (6,))", TWO_D),
    Row("aten.linalg_vector_norm", "F.normalize(x, dim=1)", TWO_D),
    Row("aten.renorm", "torch.renorm(x, 2, 0, 1.0)", {"ordinary": (f(2, 3),)}),
    Row("aten.dropout", "F.dropout(x, 0.5, training=False)", TWO_D),
)

RESIZING = (
    Row("aten.upsample_nearest1d", "F.interpolate(x, scale_factor=2)", ONE_D),
    Row("aten.upsample_nearest2d", "F.interpolate(x, scale_factor=2)", TWO_D),
    Row(
        "aten.upsample_bilinear2d",
        "F.interpolate(x, size=(7, 9), mode='bilinear')",
        TWO_D,
        tolerance=1e-4,
        undefined=("NaN",),
    ),
    Row("aten.upsample_bicubic2d", "F.interpolate(x, size=(7, 9), mode='bicubic')", TWO_D, tolerance=1e-4),
    Row(
        "aten.grid_sampler",
        "F.grid_sample(x, y, align_corners=True)",
        {"ordinary": (IMAGE, f(1, 3, 3, 2).tanh())},
        undefined=("NaN",),
    ),
)

LOSSES = (
    Row("aten.mse_loss", "F.mse_loss(x, y)", {"ordinary": (f(2, 3), f(2, 3, seed=2))}),
    Row("aten.l1_loss", "F.l1_loss(x, y)", {"ordinary": (f(2, 3), f(2, 3, seed=2))}),
    Row("aten.smooth_l1_loss", "F.smooth_l1_loss(x, y)", {"ordinary": (f(2, 3), f(2, 3, seed=2))}),
    Row("aten.huber_loss", "F.huber_loss(x, y)", {"ordinary": (f(2, 3), f(2, 3, seed=2))}),
    Row(
        "aten.binary_cross_entropy",
        "F.binary_cross_entropy(x.sigmoid(), y.sigmoid())",
        {"ordinary": (f(2, 3), f(2, 3, seed=2))},
    ),
    Row("aten.cross_entropy_loss", "F.cross_entropy(x, y)", {"ordinary": (f(2, 3), x(2, high=3))}),
    Row("aten.nll_loss_nd", "F.nll_loss(x, y)", {"ordinary": (f(2, 3), x(2, high=3))}),
    Row("aten.kl_div", "F.kl_div(x, y, reduction='batchmean')", {"ordinary": (f(2, 3), p(2, 3))}),
)

LSTM = (f(3, 1, 2), f(1, 1, 2), f(1, 1, 2, seed=2), f(8, 2))
RECURRENT = (
    Row("aten.lstm_cell", "torch.lstm_cell(x[0], (y[0], z[0]), w, w)", {"ordinary": LSTM}),
    Row(
        "aten.gru_cell",
        "torch.gru_cell(x, y, z, w)",
        {"ordinary": (f(1, 2), f(1, 2, seed=2), f(6, 2), f(6, 2, seed=3))},
    ),
    Row(
        "aten.rnn_tanh_cell",
        "torch.rnn_tanh_cell(x, y, z, w)",
        {"ordinary": (f(1, 2), f(1, 2, seed=2), f(2, 2), f(2, 2, seed=3))},
    ),
    Row(
        "aten.cond",
        "torch.cond(x.sum() > 0, lambda a: a + 1, lambda a: a - 1, (x,))",
        {"ordinary": (f(3),)},
        {"ordinary": "data-dependent"},
    ),
    Row(
        "aten.quantize_per_tensor",
        "torch.quantize_per_tensor(x, 0.1, 0, torch.qint8)",
        {"ordinary": (f(3),)},
        {"ordinary": "unsupported-dtype"},
    ),
)

ROWS = (*CONVOLUTIONS, *POOLING, *NORMALISATION, *RESIZING, *LOSSES, *RECURRENT)

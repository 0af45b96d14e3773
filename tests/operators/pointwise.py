"""Operations on each element."""

from __future__ import annotations

import torch

from tests.operators.operands import ONE, ONE_FLOAT, TWO, TWO_DIVIDED, TWO_FLOATS, TWO_INTEGERS, b, c, f, i, n, p
from tests.operators.row import Row

THREE = {
    "ordinary": (f(2, 3), f(2, 3, seed=2), p(2, 3)),
    "broadcast": (f(2, 1), f(3), p()),
    "NaN": (n(8), n(8, seed=3), p(8)),
}
SHIFTED = {"integer": (i(2, 3), c(2, 3)), "broadcast": (i(2, 1), c(3)), "0-d": (i(2, 3), c())}
CHOSEN = {
    "ordinary": (b(2, 3), f(2, 3), f(2, 3, seed=2)),
    "broadcast": (b(2, 1), f(3), f()),
    "0-d": (b(), f(2, 3), f(2, 3, seed=2)),
    "integer": (b(2, 3), i(2, 3), i(2, 3, seed=2)),
    "NaN": (b(8), n(8), n(8, seed=3)),
}

ARITHMETIC = (
    Row("aten.add", "x + y", TWO),
    Row("aten.sub", "x - y", TWO),
    Row("aten.rsub", "torch.rsub(x, y)", TWO),
    Row("aten.mul", "x * y", TWO),
    Row("aten.div", "x / y", TWO_DIVIDED),
    Row("aten.div", "torch.div(x, y, rounding_mode='floor')", TWO_DIVIDED),
    Row("aten.floor_divide", "x // y", TWO_DIVIDED),
    Row("aten.remainder", "x % y", TWO_DIVIDED),
    Row("aten.fmod", "torch.fmod(x, y)", TWO_DIVIDED),
    Row("aten.neg", "-x", ONE),
    Row("aten.abs", "x.abs()", ONE),
    Row("aten.positive", "torch.positive(x)", ONE),
    Row("aten.sign", "torch.sign(x)", ONE),
    Row("aten.sgn", "torch.sgn(x)", ONE),
    Row("aten.square", "torch.square(x)", ONE),
    Row("aten.reciprocal", "torch.reciprocal(x)", ONE_FLOAT | {"integer": (c(2, 3),)}),
    Row("aten.pow", "x ** 3", ONE),
    Row(
        "aten.pow",
        "x ** y",
        {"ordinary": (p(2, 3), f(2, 3)), "broadcast": (p(2, 1), f(3)), "0-d": (p(2, 3), f())},
        {"integer": "unsupported-operation"},
    ),
    Row("aten.float_power", "torch.float_power(x, 2)", {"ordinary": (f(2, 3),)}, {"ordinary": "unsupported-dtype"}),
    Row("aten.addcmul", "torch.addcmul(x, y, z)", THREE),
    Row("aten.addcdiv", "torch.addcdiv(x, y, z)", THREE),
    Row("aten.lerp", "torch.lerp(x, y, z)", THREE),
    Row("aten.maximum", "torch.maximum(x, y)", TWO),
    Row("aten.minimum", "torch.minimum(x, y)", TWO),
    Row("aten.fmax", "torch.fmax(x, y)", TWO),
    Row("aten.fmin", "torch.fmin(x, y)", TWO),
    Row("aten.clamp", "torch.clamp(x, -1, 2)", ONE),
    Row("aten.clamp", "torch.clamp(x, y, y + 2)", TWO_FLOATS),
    Row("aten.clamp_min", "torch.clamp_min(x, 0.5)", ONE_FLOAT),
    Row("aten.clamp_max", "torch.clamp_max(x, 0.5)", ONE_FLOAT),
    Row("aten.copysign", "torch.copysign(x, y)", TWO_FLOATS),
    Row("aten.hypot", "torch.hypot(x, y)", TWO_FLOATS),
    Row("aten.ldexp", "torch.ldexp(x, y)", {"ordinary": (f(2, 3), i(2, 3)), "broadcast": (f(2, 1), i(3))}),
    Row("aten.nan_to_num", "torch.nan_to_num(x, nan=0.5, posinf=9.0, neginf=-9.0)", ONE_FLOAT),
    Row("aten.deg2rad", "torch.deg2rad(x)", ONE_FLOAT),
    Row("aten.rad2deg", "torch.rad2deg(x)", ONE_FLOAT),
    Row("aten.where", "torch.where(x, y, z)", CHOSEN),
    Row(
        "aten.masked_fill",
        "y.masked_fill(x, 0.5)",
        {k: v[:2] for k, v in CHOSEN.items() if k != "broadcast"} | {"integer": (b(2, 3), f(2, 3))},
    ),
    Row("aten.heaviside", "torch.heaviside(x, y)", {k: v for k, v in TWO_FLOATS.items() if k != "NaN"}),
)

ROUNDING = tuple(
    Row(f"aten.{name}", f"torch.{name}(x)", ONE_FLOAT) for name in ("floor", "ceil", "round", "trunc", "frac")
)

COMPARISONS = (
    *(
        Row(f"aten.{name}", f"x {sign} y", TWO)
        for name, sign in (("eq", "=="), ("ne", "!="), ("lt", "<"), ("le", "<="), ("gt", ">"), ("ge", ">="))
    ),
    *(
        Row(f"aten.logical_{name}", f"torch.logical_{name}(x, y)", TWO | {"NaN": (n(8), n(8, seed=3))})
        for name in ("and", "or", "xor")
    ),
    Row("aten.logical_not", "torch.logical_not(x)", ONE),
    Row("aten.isnan", "torch.isnan(x)", ONE_FLOAT),
    Row("aten.isinf", "torch.isinf(x)", ONE_FLOAT),
    Row("aten.isfinite", "torch.isfinite(x)", ONE_FLOAT),
    Row("aten.isposinf", "torch.isposinf(x)", ONE_FLOAT),
    Row("aten.isneginf", "torch.isneginf(x)", ONE_FLOAT),
    Row("aten.isclose", "torch.isclose(x, y)", TWO),
    Row("aten.signbit", "torch.signbit(x)", ONE_FLOAT),
)

BITS = (
    Row("aten.bitwise_and", "torch.bitwise_and(x, y)", TWO_INTEGERS),
    Row("aten.bitwise_or", "torch.bitwise_or(x, y)", TWO_INTEGERS),
    Row("aten.bitwise_xor", "torch.bitwise_xor(x, y)", TWO_INTEGERS),
    Row("aten.bitwise_not", "~x", {"integer": (i(2, 3),), "0-d": (i(),)}),
    Row("aten.bitwise_left_shift", "torch.bitwise_left_shift(x, y)", SHIFTED),
    Row("aten.bitwise_right_shift", "torch.bitwise_right_shift(x, y)", SHIFTED),
)

POSITIVE = {"ordinary": (p(2, 3),), "0-d": (p(),), "NaN": (n(2, 4),), "integer": (c(2, 3),)}
UNIT = {"ordinary": (f(2, 3).sigmoid(),), "0-d": (f().sigmoid(),), "NaN": (n(2, 4),)}

ELEMENTARY = (
    *(
        Row(f"aten.{name}", f"torch.{name}(x)", ONE)
        for name in (
            "exp",
            "exp2",
            "expm1",
            "sin",
            "cos",
            "tan",
            "tanh",
            "sinh",
            "cosh",
            "atan",
            "asinh",
            "erf",
            "erfc",
            "sigmoid",
        )
    ),
    *(Row(f"aten.{name}", f"torch.{name}(x)", POSITIVE) for name in ("sqrt", "rsqrt", "log", "log2", "log10", "log1p")),
    *(Row(f"aten.{name}", f"torch.{name}(x)", UNIT) for name in ("asin", "acos", "atanh")),
    Row("aten.acosh", "torch.acosh(x + 1)", POSITIVE),
    Row("aten.atan2", "torch.atan2(x, y)", TWO),
    Row("aten.logit", "torch.logit(x)", {k: v for k, v in UNIT.items() if k != "NaN"}),
    Row("aten.sinc", "torch.sinc(x)", {k: v for k, v in ONE_FLOAT.items() if k != "NaN"}),
    Row("aten.logaddexp", "torch.logaddexp(x, y)", {k: v for k, v in TWO_FLOATS.items() if k != "NaN"}),
    Row(
        "aten.xlogy",
        "torch.xlogy(x, y)",
        {"ordinary": (f(2, 3), p(2, 3)), "broadcast": (f(2, 1), p(3)), "0-d": (f(2, 3), p())},
    ),
    Row("aten.lgamma", "torch.lgamma(x)", {"ordinary": (p(2, 3),)}, {"ordinary": "unsupported-operation"}),
    Row("aten.digamma", "torch.digamma(x)", {"ordinary": (p(2, 3),)}, {"ordinary": "unsupported-operation"}),
    Row(
        "aten.nextafter", "torch.nextafter(x, y)", {"ordinary": TWO["ordinary"]}, {"ordinary": "unsupported-operation"}
    ),
    Row("aten.gcd", "torch.gcd(x, y)", {"integer": TWO["integer"]}, {"integer": "unsupported-operation"}),
)

ACTIVATIONS = (
    *(
        Row(f"aten.{name}", f"F.{name}(x)", ONE_FLOAT)
        for name in ("relu", "relu6", "elu", "selu", "celu", "leaky_relu", "hardtanh", "softplus", "silu", "mish")
    ),
    Row("aten.gelu", "F.gelu(x)", {k: v for k, v in ONE_FLOAT.items() if k != "NaN"}),
    Row("aten.gelu", "F.gelu(x, approximate='tanh')", {k: v for k, v in ONE_FLOAT.items() if k != "NaN"}),
    Row("aten.hardswish", "F.hardswish(x)", {k: v for k, v in ONE_FLOAT.items() if k != "NaN"}),
    Row("aten.hardsigmoid", "F.hardsigmoid(x)", {k: v for k, v in ONE_FLOAT.items() if k != "NaN"}),
    Row("aten.log_sigmoid", "F.logsigmoid(x)", {k: v for k, v in ONE_FLOAT.items() if k != "NaN"}),
    Row("aten.hardshrink", "F.hardshrink(x)", ONE_FLOAT),
    Row("aten.softshrink", "F.softshrink(x)", {k: v for k, v in ONE_FLOAT.items() if k != "NaN"}),
    Row("aten.threshold", "F.threshold(x, 0.1, 7.0)", ONE_FLOAT),
    Row("aten.prelu", "F.prelu(x, y)", {"ordinary": (f(2, 3), f(3)), "broadcast": (f(2, 3), f(1))}),
    Row("aten.glu", "F.glu(x)", {"ordinary": (f(2, 4),)}),
    Row("aten.softmax", "F.softmax(x, -1)", {"ordinary": (f(2, 3),), "NaN": (f(2, 3) * 100,)}),
    Row("aten.log_softmax", "F.log_softmax(x, -1)", {"ordinary": (f(2, 3),)}),
)

TYPES = (
    Row(
        "aten.to",
        "x.to(torch.int32)",
        {"ordinary": (f(2, 3) * 9,), "0-d": (f() * 9,), "integer": (i(2, 3, dtype=torch.int64),)},
        undefined=("NaN",),
    ),
    Row("aten.to", "x.float()", {"integer": (i(2, 3),), "0-d": (i(),)}),
    Row("aten.to", "x.bool()", ONE),
    Row("aten.to", "x.half()", {"ordinary": (f(2, 3),), "NaN": (n(8),)}, tolerance=1e-3),
)

ROWS = (*ARITHMETIC, *ROUNDING, *COMPARISONS, *BITS, *ELEMENTARY, *ACTIVATIONS, *TYPES)

"""The operations of the loop level: everything that the compiler knows about each, in one registry.

An `Operation` of `loops` carries the name of its kind, a key of `OPERATIONS`. Names are MLIR's; those that begin with
`hwlib.` stand for a unit that passes put in the place of several operations. The unit, its software model, its error
and its cost are the hardware library's half of the entry (`hwlib/entries.py`), under the same name; an operation
without a unit is refused (`check-units`).

Adding an operation is one entry here, its unit in the library, and one test. An operation of MLIR that is not here has
no trait, is not folded and is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from torch2hw.dialects import folding
from torch2hw.dialects.folding import Fold, Folded, exactly, rounded
from torch2hw.dialects.number_types import Array, number_type
from torch2hw.hwlib.entries import ENTRIES
from torch2hw.hwlib.float_compare import PREDICATES
from torch2hw.hwlib.integers import COMPARISONS
from torch2hw.hwlib.requantise import SHIFTS


@dataclass(frozen=True)
class OperationKind:
    """One operation.

    | field       | what it is                                                                                     |
    |-------------|------------------------------------------------------------------------------------------------|
    | name        | MLIR's, or the library's                                                                       |
    | kinds       | of each operand and, last, the result: f (float), i (integer, flag, index), x (either)          |
    | fold        | its value on constants, if it is folded                                                        |
    | associative | of exact numbers: floats may be joined in another order where rounding is declared             |
    | commutative | whether operands may be exchanged                                                              |
    | identity    | the number e with e op x = x for all x (of sums 0, which makes 0 of -0), if there is one        |
    | multiplies  | the multiplication of a multiply-accumulate                                                    |
    | accumulates | the addition of a multiply-accumulate, which sums are split with                               |
    | predicates  | of a comparison; of a requantisation how many places it drops                                  |
    | undefined   | a division or a shift: MLIR leaves some operands undefined                                     |
    | reduction   | what a kernel that reduces with it is called                                                   |
    | kernel      | what a kernel that computes it elementwise is called                                           |
    | cpp         | its C++ expression, with {0}, {1}, {2} for the operands and {type} for the result's            |
    | circt       | how CIRCT's lower-scf-to-calyx takes it by itself: as a cell with or without a register, or not |
    """

    name: str
    kinds: str
    fold: Fold | None = None
    associative: bool = False
    commutative: bool = False
    identity: float | None = None
    multiplies: bool = False
    accumulates: bool = False
    predicates: tuple[str, ...] = ()
    undefined: Literal["", "division", "shift"] = ""
    reduction: str = ""
    kernel: str = ""
    cpp: str = ""
    circt: Literal["", "registered", "combinational"] = ""

    @property
    def has_unit(self) -> bool:
        """Whether the library has units for it, for some types."""
        return self.name in ENTRIES

    @property
    def confined(self) -> tuple[int, ...]:
        """The operands that may not be any bit pattern: a quotient by 0 and a shift beyond the width are undefined."""
        return {"": (), "division": (0, 1), "shift": (1,)}[self.undefined]

    def identity_bits(self, dtype: str) -> int | None:
        """The bit pattern of the identity in a type. An infinite one is the end of an integer's range."""
        kind = number_type(dtype)
        if self.identity is None:
            return None
        if kind.is_float:
            return kind.pattern(self.identity)
        if np.isinf(self.identity):
            return kind.sign_bit if self.identity < 0 else kind.sign_bit - 1
        return int(self.identity) & kind.mask


def _function(name: str, function: folding.Function, kernel: str = "", cpp: str | None = None) -> OperationKind:
    """An elementary function of one float."""
    call = f"std::{name.removeprefix('math.')}({{0}})" if cpp is None else cpp
    return OperationKind(name, "ff", rounded(function), kernel=kernel, cpp=call)


def _rounding(name: str, function: folding.Function | None, cpp: str) -> OperationKind:
    """A float rounded to an integral one."""
    return OperationKind(f"math.{name}", "ff", function and exactly(function), cpp=f"std::{cpp}({{0}})")


def _extreme(
    name: str, function: folding.Function | None, identity: float, cpp: str, reduction: str = ""
) -> OperationKind:
    """A minimum or maximum."""
    return OperationKind(
        f"arith.{name}",
        "fff" if name.endswith("f") else "iii",
        function and exactly(function),
        associative=True,
        commutative=True,
        identity=identity,
        reduction=reduction,
        cpp=cpp and f"{cpp}({{0}}, {{1}})",
    )


def _binary(name: str, kinds: str, function: folding.Function | None, cpp: str, **traits: Any) -> OperationKind:
    """Arithmetic of two operands, folded exactly."""
    infix = f"{{0}} {cpp} {{1}}" if len(cpp) in (1, 2) else cpp
    return OperationKind(f"arith.{name}", kinds, function and exactly(function), cpp=infix, **traits)


def _conversion(name: str, kinds: str, fold: Fold | None, cpp: str = "", **traits: Any) -> OperationKind:
    return OperationKind(f"arith.{name}", kinds, fold, cpp=cpp, **traits)


_SIGNED, _UNSIGNED = "({type}){0}", "({type}){unsigned}{0}"
_REGISTERED: Any = {"circt": "registered"}
_COMBINATIONAL: Any = {"circt": "combinational"}
_SUM: Any = {"associative": True, "commutative": True, "identity": 0.0}
_PRODUCT: Any = {"associative": True, "commutative": True, "identity": 1.0}
_DIVISION: Any = {"undefined": "division"}
_SHIFT: Any = {"undefined": "shift", "circt": "combinational"}

OPERATIONS: dict[str, OperationKind] = {
    kind.name: kind
    for kind in (
        # A kernel is called after the first of these that it computes.
        _function("math.exp", np.exp, "exp"),
        _binary("divf", "fff", np.divide, "/", kernel="divide", **_REGISTERED),
        OperationKind("hwlib.divide_by", "fif", kernel="divide", cpp="{0} / {divisor}"),
        _function("math.tanh", np.tanh, "tanh"),
        _function("math.erf", folding.error_function, "erf"),
        _function("math.rsqrt", folding.reciprocal_root, "rsqrt", "reciprocal_square_root({0})"),
        OperationKind("math.sqrt", "ff", exactly(np.sqrt), kernel="sqrt", cpp="std::sqrt({0})"),
        _function("math.log", np.log, "log"),
        # Other functions.
        _function("math.exp2", np.exp2),
        _function("math.expm1", np.expm1),
        _function("math.log2", np.log2),
        OperationKind("math.log10", "ff", cpp="std::log10({0})"),
        _function("math.log1p", np.log1p),
        _function("math.atan", np.arctan),
        _function("math.sin", np.sin),
        _function("math.cos", np.cos),
        OperationKind("math.powf", "fff", cpp="std::pow({0}, {1})"),
        OperationKind("math.fpowi", "fif"),  # simplify-arithmetic makes powf or products of it
        OperationKind("hwlib.rounded_reciprocal", "ff", cpp="reciprocal({0})"),
        OperationKind("hwlib.dot", "f"),  # of any number of pairs: all left operands first (choose-lanes makes it)
        OperationKind("hwlib.relu", "ff", cpp="rectified({0})"),
        # Arithmetic of floats.
        _binary("addf", "fff", np.add, "+", accumulates=True, reduction="sum", **_SUM, **_REGISTERED),
        _binary("subf", "fff", np.subtract, "-", **_REGISTERED),
        _binary("mulf", "fff", np.multiply, "*", multiplies=True, reduction="product", **_PRODUCT, **_REGISTERED),
        _binary("remf", "fff", None, "std::fmod({0}, {1})"),
        OperationKind("math.fma", "ffff", cpp="std::fma({0}, {1}, {2})"),
        OperationKind("arith.negf", "ff", exactly(np.negative), cpp="-{0}"),
        OperationKind("math.absf", "ff", exactly(np.abs), cpp="std::fabs({0})"),
        OperationKind("math.copysign", "fff", cpp="std::copysign({0}, {1})"),
        _extreme("maximumf", np.maximum, -np.inf, "maximum", "max"),
        _extreme("minimumf", np.minimum, np.inf, "minimum", "min"),
        _extreme("maxnumf", np.fmax, np.nan, "std::fmax"),
        _extreme("minnumf", np.fmin, np.nan, "std::fmin"),
        _rounding("floor", np.floor, "floor"),
        _rounding("ceil", np.ceil, "ceil"),
        _rounding("trunc", np.trunc, "trunc"),
        _rounding("round", None, "round"),
        _rounding("roundeven", np.round, "nearbyint"),
        # Arithmetic of integers.
        _binary("addi", "iii", np.add, "+", accumulates=True, reduction="sum", **_SUM, **_COMBINATIONAL),
        _binary("subi", "iii", np.subtract, "-", **_COMBINATIONAL),
        _binary("muli", "iii", np.multiply, "*", **_PRODUCT, **_REGISTERED),
        _binary("divsi", "iii", folding.divide, "/", **_DIVISION, **_REGISTERED),
        _binary("divui", "iii", None, "", **_DIVISION, **_REGISTERED),
        _binary("remsi", "iii", np.fmod, "%", **_DIVISION, **_REGISTERED),
        _binary("remui", "iii", None, "", **_DIVISION, **_REGISTERED),
        _binary("floordivsi", "iii", np.floor_divide, "", **_DIVISION),
        _binary("ceildivsi", "iii", None, "", **_DIVISION),
        OperationKind("math.absi", "ii", exactly(np.abs)),
        _extreme("maxsi", np.maximum, -np.inf, "std::max"),
        _extreme("minsi", np.minimum, np.inf, "std::min"),
        _extreme("maxui", None, 0.0, ""),
        _extreme("minui", None, -1.0, ""),
        _binary("andi", "iii", np.bitwise_and, "&", **(_SUM | {"identity": -1.0}), **_COMBINATIONAL),
        _binary("ori", "iii", np.bitwise_or, "|", **_SUM, **_COMBINATIONAL),
        _binary("xori", "iii", np.bitwise_xor, "^", **_SUM, **_COMBINATIONAL),
        _binary("shli", "iii", None, "", **_SHIFT),
        _binary("shrsi", "iii", None, ">>", **_SHIFT),
        _binary("shrui", "iii", None, "", **_SHIFT),
        # Quantised numbers.
        OperationKind("hwlib.product", "iii", multiplies=True, reduction="product", cpp="{0} * {1}"),
        OperationKind("hwlib.paired_dot", "i"),  # of any number of terms (pair-products makes it)
        OperationKind("hwlib.upper_half", "ii"),
        OperationKind("hwlib.requantise", "iiiiii", predicates=tuple(map(str, SHIFTS)), kernel="requantise"),
        # Comparison and selection.
        OperationKind("arith.cmpf", "ffi", folding.compare_float, predicates=tuple(PREDICATES), **_REGISTERED),
        OperationKind("arith.cmpi", "iii", folding.compare_integer, predicates=tuple(COMPARISONS), **_COMBINATIONAL),
        OperationKind("arith.select", "ixxx", folding.select, cpp="{0} ? {1} : {2}", **_COMBINATIONAL),
        # Conversions.
        _conversion("extf", "ff", folding.convert),
        _conversion("truncf", "ff", folding.convert),
        _conversion("sitofp", "if", folding.convert_signed, _SIGNED),
        _conversion("uitofp", "if", folding.convert_unsigned, _UNSIGNED),
        _conversion("fptosi", "fi", folding.truncate, _SIGNED),
        _conversion("fptoui", "fi", None),
        _conversion("extsi", "ii", folding.convert_signed, _SIGNED, **_COMBINATIONAL),
        _conversion("extui", "ii", folding.convert_unsigned, _UNSIGNED, **_COMBINATIONAL),
        _conversion("trunci", "ii", folding.convert, _SIGNED, **_COMBINATIONAL),
        _conversion("index_cast", "ii", folding.convert, _SIGNED, **_COMBINATIONAL),
        _conversion("index_castui", "ii", None),
        _conversion("bitcast", "xx", None, **_COMBINATIONAL),  # of CIRCT's making; a wire
    )
}
"""By name."""


def operation_kind(name: str) -> OperationKind:
    """The operation of that name; one without traits where it is not known, which has no unit either."""
    found = OPERATIONS.get(name)
    return OperationKind(name, "") if found is None else found


def fold(
    name: str, operands: Sequence[Array], types: tuple[str, ...], result_type: str, predicate: str | None
) -> Array | None:
    """The value of an operation on constant arrays, or None where it is not folded."""
    folds = operation_kind(name).fold
    with np.errstate(all="ignore"):
        return None if folds is None else folds(Folded(tuple(operands), types, result_type, predicate))

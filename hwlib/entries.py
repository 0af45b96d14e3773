"""The operations: for each, the types that it takes, how its unit's arithmetic is built, and what it costs.

This is the hardware's half of the registry; what the compiler knows besides is in `dialects/operations.py`.

Names are those of MLIR's dialects; `hwlib.` names what MLIR has not: reciprocals, divisions by constants,
the sigmoid, sums and dot products.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from . import (
    float_add,
    float_compare,
    float_convert,
    float_div,
    float_divide_by,
    float_dot,
    float_exp,
    float_exp2,
    float_expm1,
    float_fma,
    float_iterative,
    float_log,
    float_log1p,
    float_mul,
    float_odd,
    float_pow,
    float_reciprocal,
    float_remainder,
    float_rsqrt,
    float_sigmoid,
    float_sine,
    float_sqrt,
    integers,
    paired_dot,
    requantise,
)
from .bits import Bits, cat, mux
from .formats import FORMATS, Format, float_format, integer_width, type_width
from .iterative import Iteration


@dataclass(frozen=True)
class Request:
    """What a builder is asked for; `operands` are the unit's inputs, `digits` those that an iterative unit makes in a
    cycle."""

    operation: str
    operand_types: tuple[str, ...]
    result_type: str
    predicate: str | None
    flush: bool
    operands: tuple[Bits, ...]
    digits: int = 1

    @property
    def one(self) -> Bits:
        """The only operand, or the first."""
        return self.operands[0]

    @property
    def two(self) -> tuple[Bits, Bits]:
        """The first two operands."""
        return self.operands[0], self.operands[1]

    @property
    def three(self) -> tuple[Bits, Bits, Bits]:
        """All three operands."""
        a, b, c = self.operands
        return a, b, c

    @property
    def form(self) -> Format:
        """The float format of the first operand."""
        return format_of(self.operand_types[0])

    @property
    def target(self) -> Format:
        """The format of the result; KeyError if it is no float."""
        return format_of(self.result_type)

    @property
    def result_width(self) -> int:
        """Bits of the result."""
        return type_width(self.result_type)


def format_of(type_name: str) -> Format:
    """The floating-point format of that name; KeyError for other types."""
    form = float_format(type_name)
    if form is None:
        raise KeyError(type_name)
    return form


Build = Callable[[Request], Bits]


@dataclass(frozen=True)
class Entry:
    """How one operation is built.

    | field       | what it is                                                                                     |
    |-------------|------------------------------------------------------------------------------------------------|
    | stem        | of the unit's name: f32_add                                                                    |
    | kinds       | f or i for each operand and, last, the result; empty: `fits` alone decides                     |
    | build       | its arithmetic                                                                                 |
    | native      | whether the CPU's own operation gives the same bits                                            |
    | same        | whether all types are equal                                                                    |
    | ports       | names of the operands' ports, where they are not the usual ones of `PORTS`                     |
    | error_ulp   | the bound of its error; 0.5 is correctly rounded, 0 exact                                      |
    | fits        | a condition on the types beside `kinds` and `same`                                             |
    | stages      | of a pipeline at least: two or more where kernels are to take turns with the unit               |
    | each        | of an operation on any number of operands: how many each lane has; 0 of others                 |
    | iteration   | an iterative unit of the same bits (iterative.py), if there is one                             |
    | digit_luts  | LUTs that those of one digit a cycle, two … take more, if not part of `saved_luts`             |
    | saved_luts  | what iteration saves: LUTs, of floats by the square of the significand's bits                  |
    | luts        | LUTs that Yosys measured (`hwlib.measure`), by the last operand's type; luts.py estimates others |
    | exact       | the exact result of x as a C expression in double, for `hwlib.survey`                          |
    """

    stem: str
    kinds: str
    build: Build
    native: bool = False
    same: bool = True
    ports: tuple[str, ...] = ()
    error_ulp: float = 0.0
    fits: Callable[[tuple[str, ...]], bool] | None = None
    stages: int = 0
    each: int = 0
    iteration: Callable[[Request], Iteration] | None = None
    digit_luts: tuple[int, ...] = (0,)
    saved_luts: float = 0.0
    luts: Mapping[str, int] = field(default_factory=dict)
    exact: str = ""

    @property
    def digits(self) -> int:
        """What an iterative unit makes in a cycle at most."""
        return len(self.digit_luts)


DSP_LUTS = 146.0
"""What a DSP is worth: a U50 has so many LUTs for each."""
REQUANTISER_LUTS = (38, 62, 153)
"""Of one without a DSP, of one to three digits a cycle, more than with one: i22 by i16 (`hwlib.measure`)."""
PORTS: dict[int, tuple[str, ...]] = {1: ("in",), 2: ("left", "right"), 3: ("a", "b", "c")}


def _multiply(r: Request) -> Bits:
    """Also bf16 × bf16 -> f32 and the like: of operands of one format, the exact significand in a wider one."""
    if r.target == r.form:
        return float_mul.multiply(*r.two, r.form, r.flush)
    return float_mul.multiply_wide(*r.two, r.form, r.target, r.flush)


def _select(r: Request) -> Bits:
    return mux(*r.three)


def _sign(r: Request, change: Callable[[Bits], Bits]) -> Bits:
    value = r.one
    return cat(change(value.top(1)), value.bits(0, value.width - 1))


def _extreme(largest: bool, propagate_nan: bool) -> Build:
    return lambda r: float_compare.extreme(*r.two, r.form, r.flush, largest, propagate_nan)


def _to_integral(direction: str) -> Build:
    return lambda r: float_convert.to_integral(r.one, r.form, r.flush, direction)


def _compare_f(r: Request) -> Bits:
    return float_compare.compare(*r.two, r.form, r.flush, r.predicate or "")


def _elementary(build: Callable[[tuple[Bits, ...], Format, bool], Bits]) -> Build:
    """Elementary functions are made for f32 and formats of its range (bf16). Narrower ones are computed in f32: the
    conversions before and after are exact and rounded to nearest, and keep subnormals.
    """
    single = FORMATS["f32"]

    def in_range(r: Request) -> Bits:
        form = r.form
        if form.exponent_bits == single.exponent_bits and form.significand_bits <= single.significand_bits:
            return build(r.operands, form, r.flush)
        if form.exponent_bits > single.exponent_bits or form.significand_bits > single.significand_bits:
            raise KeyError(form.name)
        wide = tuple(float_convert.convert(o, form, single, r.flush) for o in r.operands)
        return float_convert.convert(build(wide, single, r.flush), single, form, r.flush)

    return in_range


_POWER = _elementary(lambda operands, form, flush: float_pow.power(operands[0], operands[1], form, flush))


def _table_function(build: Callable[[Bits, Format, bool], Bits]) -> Build:
    return _elementary(lambda operands, form, flush: build(operands[0], form, flush))


def _odd_function(spec: float_odd.OddFunction) -> Build:
    return _table_function(lambda value, form, flush: float_odd.odd_function(value, form, flush, spec))


def _logarithm(spec: float_log.Logarithm) -> Build:
    return _table_function(lambda value, form, flush: float_log.logarithm(value, form, flush, spec))


def _sine(quarter: int) -> Build:
    return _table_function(lambda value, form, flush: float_sine.sine(value, form, flush, quarter))


_RSQRT = _table_function(float_rsqrt.reciprocal_root)


def _shift(r: Request) -> Bits:
    return integers.shift(*r.two, r.operation.removeprefix("arith."))


def _divide_i(r: Request) -> Bits:
    return integers.divide(*r.two, r.operation.removeprefix("arith."))


def _extreme_i(r: Request) -> Bits:
    return integers.extreme(*r.two, r.operation.removeprefix("arith."))


def _resize(r: Request) -> Bits:
    return integers.resize(r.one, r.result_width, r.operation in ("arith.extsi", "arith.index_cast"))


def _compares(types: tuple[str, ...]) -> bool:
    return types[0] == types[1] and types[2] == "i1"


def _divides_by(types: tuple[str, ...]) -> bool:
    return types == (types[0], float_divide_by.packed_type(format_of(types[0])), types[0])


def _multiplies(types: tuple[str, ...]) -> bool:
    """All of one type, or into a type that holds every product."""
    same = types[0] == types[1]
    return same and (types[1] == types[2] or float_mul.holds_products(format_of(types[0]), format_of(types[2])))


def _multiplies_exactly(types: tuple[str, ...]) -> bool:
    """Into as many bits as both operands have."""
    return type_width(types[2]) == type_width(types[0]) + type_width(types[1])


def _pairs(types: tuple[str, ...]) -> bool:
    """All upper factors, all lower ones, all shared ones; as many as the fields have room for."""
    terms, rest = divmod(len(types) - 1, 3)
    if rest or not terms or any(integer_width(each) is None for each in types):
        return False
    packed, shared, result = types[0], types[2 * terms], types[-1]
    if types != ((packed,) * (2 * terms) + (shared,) * terms + (result,)):
        return False
    fits = terms <= paired_dot.most_terms(type_width(packed), type_width(shared))
    return fits and type_width(result) == paired_dot.RESULT_BITS


def _paired_dot(r: Request) -> Bits:
    terms = len(r.operands) // 3
    return paired_dot.paired_dot(r.operands[:terms], r.operands[terms : 2 * terms], r.operands[2 * terms :])


def _halves(types: tuple[str, ...]) -> bool:
    return type_width(types[0]) == 2 * type_width(types[1])


def _requantises(types: tuple[str, ...]) -> bool:
    return types[1] in requantise.MULTIPLIERS and types[2:5] == (requantise.LEVEL,) * 3 and types[5] == "i8"


def _requantise(r: Request) -> Bits:
    """The predicate is the shift."""
    total, multiplier, zero, low, high = r.operands
    shift = int(r.predicate or "0")
    if shift not in requantise.SHIFTS:
        raise KeyError(r.predicate)
    return requantise.requantise(total, multiplier, zero, low, high, shift, r.result_width)


def _requantisation(r: Request) -> Iteration:
    total, multiplier, level = (type_width(r.operand_types[k]) for k in range(3))
    shift = int(r.predicate or "0")
    if shift not in requantise.SHIFTS:
        raise KeyError(r.predicate)
    return requantise.Requantisation(total, multiplier, level, shift, r.result_width, r.digits)


def _selects(types: tuple[str, ...]) -> bool:
    return len(types) == 4 and types[0] == "i1" and len(set(types[1:])) == 1


def _reduces(each: int) -> Callable[[tuple[str, ...]], bool]:
    """Two lanes or more of floats of one type; of products, into a type of as many exponent bits or more."""

    def fits(types: tuple[str, ...]) -> bool:
        lanes, rest = divmod(len(types) - 1, each)
        source, target = float_format(types[0]), float_format(types[-1])
        if lanes < 2 or rest or len(set(types[:-1])) > 1 or source is None or target is None:
            return False
        return source == target or (each == 2 and target.exponent_bits >= source.exponent_bits)

    return fits


def _dot(r: Request) -> Bits:
    """All left operands come first."""
    half = len(r.operands) // 2
    return float_dot.dot(r.operands[:half], r.operands[half:], r.form, r.target, r.flush)


def _entries() -> dict[str, Entry]:
    table = {
        "arith.addf": Entry(
            "add", "fff", lambda r: float_add.add(*r.two, r.form, r.flush), True, error_ulp=0.5, luts={"f32": 360}
        ),
        "arith.subf": Entry(
            "sub", "fff", lambda r: float_add.subtract(*r.two, r.form, r.flush), True, error_ulp=0.5, luts={"f32": 360}
        ),
        "arith.mulf": Entry("mul", "fff", _multiply, True, error_ulp=0.5, luts={"f32": 101}, fits=_multiplies),
        "arith.divf": Entry(
            "div",
            "fff",
            lambda r: float_div.divide(*r.two, r.form, r.flush),
            True,
            error_ulp=0.5,
            luts={"f32": 796},
            iteration=lambda r: float_iterative.Division(r.target, r.flush),
            saved_luts=1.0,
        ),
        "arith.remf": Entry(
            "rem", "fff", lambda r: float_remainder.remainder(*r.two, r.form, r.flush), luts={"f32": 13900}
        ),
        "math.fma": Entry(
            "fma", "ffff", lambda r: float_fma.fused_multiply_add(*r.three, r.form, r.flush), error_ulp=0.5
        ),
        "math.sqrt": Entry(
            "sqrt",
            "ff",
            lambda r: float_sqrt.square_root(r.one, r.form, r.flush),
            True,
            error_ulp=0.5,
            luts={"f32": 446},
            iteration=lambda r: float_iterative.SquareRoot(r.target, r.flush),
            saved_luts=0.55,
        ),
        "math.rsqrt": Entry(
            "rsqrt",
            "ff",
            _RSQRT,
            error_ulp=float_rsqrt.ERROR_ULP,
            luts={"f32": 417},
            exact="x == 0 ? 1 / x : 1 / sqrt(x)",
        ),
        "math.tanh": Entry(
            "tanh",
            "ff",
            _odd_function(float_odd.TANH),
            error_ulp=float_odd.TANH.error_ulp,
            luts={"f32": 307},
            exact="tanh(x)",
        ),
        "math.atan": Entry(
            "atan",
            "ff",
            _odd_function(float_odd.ATAN),
            error_ulp=float_odd.ATAN.error_ulp,
            luts={"f32": 600},
            exact="atan(x)",
        ),
        "math.erf": Entry(
            "erf",
            "ff",
            _odd_function(float_odd.ERF),
            error_ulp=float_odd.ERF.error_ulp,
            luts={"f32": 365},
            exact="erf(x)",
        ),
        "math.exp": Entry(
            "exp",
            "ff",
            _table_function(float_exp.exponential),
            error_ulp=float_exp.ERROR_ULP,
            luts={"f32": 361},
            exact="exp(x)",
        ),
        "math.exp2": Entry(
            "exp2", "ff", _table_function(float_exp2.exponential2), error_ulp=float_exp2.ERROR_ULP, exact="exp2(x)"
        ),
        "math.expm1": Entry(
            "expm1",
            "ff",
            _table_function(float_expm1.exponential_minus_one),
            error_ulp=float_expm1.ERROR_ULP,
            luts={"f32": 700},
            exact="expm1(x)",
        ),
        "math.log1p": Entry(
            "log1p",
            "ff",
            _table_function(float_log1p.logarithm_plus_one),
            error_ulp=float_log1p.ERROR_ULP,
            luts={"f32": 1100},
            exact="log1p(x)",
        ),
        "math.sin": Entry("sin", "ff", _sine(0), error_ulp=float_sine.ERROR_ULP, luts={"f32": 1300}, exact="sin(x)"),
        "math.cos": Entry("cos", "ff", _sine(1), error_ulp=float_sine.ERROR_ULP, luts={"f32": 1300}, exact="cos(x)"),
        "math.log": Entry(
            "log", "ff", _logarithm(float_log.NATURAL), error_ulp=float_log.ERROR_ULP, luts={"f32": 600}, exact="log(x)"
        ),
        "math.log2": Entry("log2", "ff", _logarithm(float_log.BINARY), error_ulp=float_log.ERROR_ULP, exact="log2(x)"),
        "math.log10": Entry(
            "log10", "ff", _logarithm(float_log.DECIMAL), error_ulp=float_log.ERROR_ULP, exact="log10(x)"
        ),
        "math.powf": Entry("pow", "fff", _POWER, error_ulp=float_pow.ERROR_ULP),
        "hwlib.reciprocal": Entry(
            "reciprocal",
            "ff",
            _table_function(float_reciprocal.reciprocal),
            error_ulp=float_reciprocal.ERROR_ULP,
            exact="1 / x",
        ),
        "hwlib.rounded_reciprocal": Entry(
            "rounded_reciprocal",
            "ff",
            lambda r: float_reciprocal.rounded_reciprocal(r.one, r.form, r.flush),
            error_ulp=0.5,
        ),
        "hwlib.divide_by": Entry(
            "divide_by",
            "fif",
            lambda r: float_divide_by.divide_by(r.one, r.operands[1], r.form, r.flush),
            same=False,
            ports=("in", "reciprocal"),
            error_ulp=0.5,
            luts={"i64": 115},
            fits=_divides_by,
        ),
        "hwlib.sum": Entry(
            "sum",
            "",
            lambda r: float_dot.total(r.operands, r.form, r.flush),
            error_ulp=float("inf"),
            fits=_reduces(1),
            each=1,
        ),
        "hwlib.dot": Entry("dot", "", _dot, error_ulp=float("inf"), fits=_reduces(2), each=2),
        "hwlib.relu": Entry("relu", "ff", lambda r: float_compare.rectify(r.one, r.form, r.flush)),
        "hwlib.sigmoid": Entry(
            "sigmoid",
            "ff",
            _table_function(float_sigmoid.sigmoid),
            error_ulp=float_sigmoid.ERROR_ULP,
            exact="1 / (1 + exp(-x))",
        ),
        "arith.cmpf": Entry("cmp", "ffi", _compare_f, True, same=False, luts={"f32": 53}, fits=_compares),
        "arith.maximumf": Entry("maximum", "fff", _extreme(True, True), luts={"f32": 75}),
        "arith.minimumf": Entry("minimum", "fff", _extreme(False, True), luts={"f32": 75}),
        "arith.maxnumf": Entry("maxnum", "fff", _extreme(True, False), luts={"f32": 171}),
        "arith.minnumf": Entry("minnum", "fff", _extreme(False, False), luts={"f32": 171}),
        # A negation is one inverter; choose-lanes has always counted 32 LUTs, and its choices stay as they are.
        "arith.negf": Entry("neg", "ff", lambda r: _sign(r, lambda s: ~s), True, luts={"f32": 32}),
        "math.absf": Entry("abs", "ff", lambda r: _sign(r, lambda s: s ^ s), True),
        "math.copysign": Entry(
            "copysign", "fff", lambda r: cat(r.operands[1].top(1), r.one.bits(0, r.form.width - 1)), True
        ),
        "arith.sitofp": Entry(
            "from_int", "if", lambda r: float_convert.from_integer(r.one, r.target, True), same=False, error_ulp=0.5
        ),
        "arith.uitofp": Entry(
            "from_uint", "if", lambda r: float_convert.from_integer(r.one, r.target, False), same=False, error_ulp=0.5
        ),
        "arith.fptosi": Entry(
            "to_int", "fi", lambda r: float_convert.to_integer(r.one, r.form, r.result_width, True), same=False
        ),
        "arith.fptoui": Entry(
            "to_uint", "fi", lambda r: float_convert.to_integer(r.one, r.form, r.result_width, False), same=False
        ),
        "arith.truncf": Entry(
            "to", "ff", lambda r: float_convert.convert(r.one, r.form, r.target, r.flush), same=False, error_ulp=0.5
        ),
        "arith.extf": Entry("to", "ff", lambda r: float_convert.convert(r.one, r.form, r.target, r.flush), same=False),
        "math.floor": Entry("floor", "ff", _to_integral("floor")),
        "math.ceil": Entry("ceil", "ff", _to_integral("ceil")),
        "math.trunc": Entry("trunc", "ff", _to_integral("trunc")),
        "math.round": Entry("round", "ff", _to_integral("round")),
        "math.roundeven": Entry("roundeven", "ff", _to_integral("roundeven")),
        "arith.addi": Entry("add", "iii", lambda r: integers.add(*r.two), True),
        "arith.subi": Entry("sub", "iii", lambda r: r.one - r.operands[1], True),
        "arith.muli": Entry("mul", "iii", lambda r: integers.multiply(*r.two), True),
        "hwlib.product": Entry(
            "product",
            "iii",
            lambda r: requantise.product(*r.two, r.result_width),
            same=False,
            stages=2,
            fits=_multiplies_exactly,
        ),
        "hwlib.paired_dot": Entry("paired_dot", "", _paired_dot, same=False, stages=2, fits=_pairs, each=3),
        "hwlib.upper_half": Entry("upper_half", "ii", lambda r: r.one.top(r.result_width), same=False, fits=_halves),
        "hwlib.requantise": Entry(
            "requantise",
            "iiiiii",
            _requantise,
            same=False,
            ports=("total", "multiplier", "zero", "low", "high"),
            fits=_requantises,
            iteration=_requantisation,
            digit_luts=REQUANTISER_LUTS,
            saved_luts=DSP_LUTS,
        ),
        "arith.andi": Entry("and", "iii", lambda r: r.one & r.operands[1], True),
        "arith.ori": Entry("or", "iii", lambda r: r.one | r.operands[1], True),
        "arith.xori": Entry("xor", "iii", lambda r: r.one ^ r.operands[1], True),
        "arith.select": Entry(
            "select",
            "",
            _select,
            True,
            same=False,
            ports=("cond", "on_true", "on_false"),
            fits=_selects,
            luts={"f32": 32},
        ),
        "math.absi": Entry("abs", "ii", lambda r: integers.magnitude(r.one)),
        "arith.cmpi": Entry(
            "cmp", "iii", lambda r: integers.compare(*r.two, r.predicate or ""), True, same=False, fits=_compares
        ),
    }
    for name in ("shli", "shrsi", "shrui"):
        table[f"arith.{name}"] = Entry(name, "iii", _shift, True)
    for name in ("divsi", "divui", "remsi", "remui"):
        table[f"arith.{name}"] = Entry(name, "iii", _divide_i, luts={"i64": 8200})
    for name in ("maxsi", "maxui", "minsi", "minui"):
        table[f"arith.{name}"] = Entry(name, "iii", _extreme_i, True)
    for name in ("trunci", "extsi", "extui", "index_cast", "index_castui"):
        table[f"arith.{name}"] = Entry(name, "ii", _resize, True, same=False)
    return table


ENTRIES = _entries()


def entry_for(operation: str, types: tuple[str, ...]) -> Entry | None:
    """The entry of an operation on operands and a result of these types, if there is one."""
    entry = ENTRIES.get(operation)
    if entry is None or (entry.kinds and len(types) != len(entry.kinds)) or not all(map(_known, types)):
        return None
    if entry.kinds and "".join("i" if float_format(t) is None else "f" for t in types) != entry.kinds:
        return None
    if not (entry.fits(types) if entry.fits is not None else not entry.same or len(set(types)) == 1):
        return None
    return _with_lanes(entry, types) if entry.each else entry


def _with_lanes(entry: Entry, types: tuple[str, ...]) -> Entry:
    """The entry for this number of operands: its stem says how many lanes, its ports which."""
    lanes = (len(types) - 1) // entry.each
    sides = {1: "x", 2: "ab", 3: "abx"}[entry.each]
    ports = tuple(f"{side}{i}" for side in sides for i in range(lanes))
    same = len(set(types)) == 1
    kinds = "".join("i" if float_format(t) is None else "f" for t in types)
    return replace(entry, stem=f"{entry.stem}_{lanes}", kinds=kinds, same=same, ports=ports)


def _known(type_name: str) -> bool:
    return float_format(type_name) is not None or integer_width(type_name) is not None


def unit_name(entry: Entry, operation: str, types: tuple[str, ...], predicate: str | None) -> str:
    """`f32_add`, `f32_cmp_ogt`, `i32_to_f32` …: a legal module name, unique within a library."""
    if entry.stem == "select":
        return f"{types[-1]}_select"
    if types[0] == types[-1] and (entry.same or operation == "hwlib.divide_by"):
        return f"{types[0]}_{entry.stem}"
    if operation == "hwlib.requantise":
        return f"{types[0]}_{types[1]}_{entry.stem}_{predicate}"
    if predicate:
        return f"{types[0]}_{entry.stem}_{predicate}"
    if operation == "hwlib.paired_dot":
        return f"{types[0]}_{types[-2]}_{entry.stem}"
    if entry.stem == "to":
        return f"{types[0]}_to_{types[-1]}"
    return f"{types[0]}_{entry.stem}_{types[-1]}"

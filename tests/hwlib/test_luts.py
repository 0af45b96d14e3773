"""The estimate of a unit's LUTs against what Yosys measured, and what the library says a unit costs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from torch2hw.hwlib import Library, luts
from torch2hw.hwlib.entries import ENTRIES
from torch2hw.hwlib.export import verilog
from torch2hw.hwlib.luts import estimated_luts
from torch2hw.hwlib.unit import Unit
from torch2hw.tools.yosys import resources

FIGURES = (  # Yosys 0.70, synth_xilinx -family xcup, 3.33 ns, subnormals flushed
    ("arith.addf", "f32 f32 f32", None, 360),
    ("arith.subf", "f32 f32 f32", None, 363),
    ("arith.mulf", "f32 f32 f32", None, 101),
    ("arith.divf", "f32 f32 f32", None, 764),
    ("math.fma", "f32 f32 f32 f32", None, 965),
    ("math.sqrt", "f32 f32", None, 435),
    ("math.rsqrt", "f32 f32", None, 372),
    ("math.tanh", "f32 f32", None, 314),
    ("math.atan", "f32 f32", None, 324),
    ("math.erf", "f32 f32", None, 379),
    ("math.exp", "f32 f32", None, 344),
    ("math.exp2", "f32 f32", None, 293),
    ("math.expm1", "f32 f32", None, 708),
    ("math.log1p", "f32 f32", None, 1121),
    ("math.sin", "f32 f32", None, 1353),
    ("math.cos", "f32 f32", None, 1346),
    ("math.log", "f32 f32", None, 543),
    ("math.log2", "f32 f32", None, 507),
    ("math.log10", "f32 f32", None, 551),
    ("math.powf", "f32 f32 f32", None, 1433),
    ("hwlib.reciprocal", "f32 f32", None, 434),
    ("hwlib.rounded_reciprocal", "f32 f32", None, 273),
    ("hwlib.relu", "f32 f32", None, 13),
    ("hwlib.sigmoid", "f32 f32", None, 664),
    ("arith.cmpf", "f32 f32 i1", "ogt", 53),
    ("arith.maximumf", "f32 f32 f32", None, 75),
    ("arith.minimumf", "f32 f32 f32", None, 75),
    ("arith.maxnumf", "f32 f32 f32", None, 171),
    ("arith.minnumf", "f32 f32 f32", None, 171),
    ("arith.negf", "f32 f32", None, 0),
    ("math.absf", "f32 f32", None, 0),
    ("math.copysign", "f32 f32 f32", None, 0),
    ("arith.sitofp", "i32 f32", None, 167),
    ("arith.uitofp", "i32 f32", None, 118),
    ("arith.fptosi", "f32 i32", None, 174),
    ("arith.fptoui", "f32 i32", None, 142),
    ("math.floor", "f32 f32", None, 227),
    ("math.ceil", "f32 f32", None, 226),
    ("math.trunc", "f32 f32", None, 194),
    ("math.round", "f32 f32", None, 198),
    ("math.roundeven", "f32 f32", None, 238),
    ("arith.addi", "i32 i32 i32", None, 32),
    ("arith.addi", "i64 i64 i64", None, 64),
    ("arith.subi", "i32 i32 i32", None, 33),
    ("arith.subi", "i64 i64 i64", None, 65),
    ("arith.muli", "i32 i32 i32", None, 29),
    ("arith.muli", "i64 i64 i64", None, 237),
    ("arith.andi", "i32 i32 i32", None, 32),
    ("arith.andi", "i64 i64 i64", None, 64),
    ("arith.ori", "i32 i32 i32", None, 32),
    ("arith.ori", "i64 i64 i64", None, 64),
    ("arith.xori", "i32 i32 i32", None, 32),
    ("arith.xori", "i64 i64 i64", None, 64),
    ("arith.shli", "i32 i32 i32", None, 100),
    ("arith.shli", "i64 i64 i64", None, 288),
    ("arith.shrsi", "i32 i32 i32", None, 105),
    ("arith.shrsi", "i64 i64 i64", None, 293),
    ("arith.shrui", "i32 i32 i32", None, 106),
    ("arith.shrui", "i64 i64 i64", None, 292),
    ("arith.maxsi", "i32 i32 i32", None, 54),
    ("arith.maxsi", "i64 i64 i64", None, 107),
    ("arith.minsi", "i32 i32 i32", None, 54),
    ("arith.minsi", "i64 i64 i64", None, 107),
    ("arith.maxui", "i32 i32 i32", None, 54),
    ("arith.maxui", "i64 i64 i64", None, 107),
    ("arith.minui", "i32 i32 i32", None, 54),
    ("arith.minui", "i64 i64 i64", None, 107),
    ("math.absi", "i32 i32", None, 30),
    ("arith.cmpi", "i64 i64 i1", "slt", 43),
    ("arith.cmpi", "i64 i64 i1", "eq", 40),
    ("arith.cmpf", "f32 f32 i1", "oeq", 33),
    ("arith.select", "i1 f32 f32 f32", None, 32),
    ("arith.select", "i1 i64 i64 i64", None, 64),
    ("arith.truncf", "f32 f16", None, 120),
    ("arith.extf", "f16 f32", None, 68),
    ("arith.sitofp", "i64 f32", None, 285),
    ("arith.fptosi", "f32 i64", None, 325),
    ("arith.addf", "f16 f16 f16", None, 199),
    ("arith.mulf", "f16 f16 f16", None, 46),
    ("arith.divf", "f16 f16 f16", None, 228),
    ("arith.maximumf", "f16 f16 f16", None, 38),
    ("arith.divsi", "i32 i32 i32", None, 2149),
    ("arith.remsi", "i32 i32 i32", None, 2154),
)
SMALLEST = 40  # LUTs: an error of a few is none
LIBRARY = Library()


def unit_of(operation: str, types: str, predicate: str | None) -> Unit:
    *operands, result = types.split()
    return LIBRARY.unit(operation, tuple(operands), result, predicate)


def errors() -> dict[str, float]:
    """The relative error of each estimate."""
    found = {}
    for operation, types, predicate, measured in FIGURES:
        estimate = estimated_luts(unit_of(operation, types, predicate).schedule.output)
        found[f"{operation} {types} {predicate}"] = abs(estimate - measured) / max(measured, SMALLEST)
    return found


def test_the_estimate_is_near_what_yosys_measures() -> None:
    """Of maxnum and minnum Yosys makes twice what it makes of maximum; their entries have the measured figure."""
    found = errors()
    unusual = {name: found.pop(name) for name in list(found) if "axnumf" in name or "innumf" in name}
    assert float(np.mean(list(found.values()))) < 0.14
    assert float(np.median(list(found.values()))) < 0.13
    assert max(found.values()) < 0.6, max(found, key=found.__getitem__)
    assert all(ENTRIES[name.split()[0]].luts["f32"] == 171 for name in unusual)


@pytest.mark.parametrize("kind", sorted(luts.PRICES))
def test_a_wrong_price_is_found(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times the price, or a look-up and a product for nothing."""
    before = float(np.mean(list(errors().values())))
    monkeypatch.setitem(luts.PRICES, kind, 10 * luts.PRICES[kind] + 2)
    assert float(np.mean(list(errors().values()))) > before + 0.01


def test_measured_figures_are_asked_before_estimates() -> None:
    add = unit_of("arith.addf", "f32 f32 f32", None)
    assert add.measured_luts == add.luts == 360
    assert replace(add, measured_luts=None).luts == estimated_luts(add.schedule.output) != 360
    assert unit_of("arith.addf", "f16 f16 f16", None).measured_luts is None
    assert unit_of("hwlib.divide_by", "f32 i64 f32", None).luts == 115
    assert unit_of("arith.divsi", "i64 i64 i64", None).luts == 8200


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 2, 24])
def test_yosys_still_measures_that(number: int) -> None:
    operation, types, predicate, measured = FIGURES[number]
    unit = unit_of(operation, types, predicate)
    assert resources({"unit.sv": verilog(unit.definition())}, unit.name).lut == measured

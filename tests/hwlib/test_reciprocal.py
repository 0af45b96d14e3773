"""1 / x, rounded correctly: what its table must promise, for every significand; and the results, against division."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from torch2hw.hwlib import Library
from torch2hw.hwlib import float_reciprocal as unit_under_test
from torch2hw.hwlib.bits import Graph
from torch2hw.hwlib.formats import FORMATS
from torch2hw.hwlib.pipeliner import Pipeline
from torch2hw.hwlib.unit import Unit
from torch2hw.hwlib.verify import check

from .running import as_c, as_hardware


def test_the_table_is_less_than_half_a_last_place_off(tmp_path: Path) -> None:
    graph = Graph()
    significand = graph.input("m", 24)
    root = unit_under_test._root(significand, FORMATS["f32"], *unit_under_test.LOOSE)
    unit = Unit("root", ("i24",), "i28", (significand,), Pipeline(root, 0, {}, False), False)
    every = np.arange((1 << 23) + 1, 1 << 24, dtype=np.uint64)
    got = as_c(unit, [every], tmp_path)
    error = np.ldexp(got.astype(np.float64), 25 - root.width) - np.ldexp(1.0, 47) / every
    assert np.abs(error).max() < 0.5


@pytest.mark.parametrize("policy", ["flush", "keep"])
@pytest.mark.parametrize(("form", "vectors"), [("f32", 1_000_000), ("f16", 0), ("bf16", 0), ("f8E5M2", 0)])
def test_rounded(tmp_path: Path, form: str, vectors: int, policy: str) -> None:
    unit = Library(subnormals=policy).unit("hwlib.rounded_reciprocal", (form,), form)
    outcome = check(unit, "hwlib.rounded_reciprocal", policy == "flush", vectors, tmp_path)
    assert outcome.passed, outcome.text


def test_it_is_smaller_than_division() -> None:
    """It exists for that: fewer stages, with the same bits."""
    library = Library()
    division = library.unit("arith.divf", ("f32", "f32"), "f32")
    assert library.unit("hwlib.rounded_reciprocal", ("f32",), "f32").latency_cycles * 2 < division.latency_cycles


@pytest.mark.slow
@pytest.mark.simulation
@pytest.mark.parametrize("depth", [0, 1, 10])
def test_the_hardware_is_the_graph(tmp_path: Path, depth: int) -> None:
    unit = Library(subnormals="keep").unit("hwlib.rounded_reciprocal", ("f32",), "f32", depth=depth)
    operands = [np.random.default_rng(2).integers(0, 1 << 32, 20_000, dtype=np.uint64)]
    np.testing.assert_array_equal(as_hardware(unit, operands, tmp_path), as_c(unit, operands, tmp_path))

"""What the catalogue promises: names, ports, timing at the default clock, refusals, texts that both MLIRs accept."""

from __future__ import annotations

import pytest

from torch2hw.hwlib import Library, NoUnit, delay, ram, rom
from torch2hw.hwlib.export import verilog

F32 = ("f32", "f32")


@pytest.mark.parametrize(
    ("operation", "types", "result", "predicate", "name", "at_most"),
    [
        ("arith.addf", F32, "f32", None, "f32_add", 6),
        ("arith.mulf", F32, "f32", None, "f32_mul", 3),
        ("arith.cmpf", F32, "i1", "ogt", "f32_cmp_ogt", 1),
        ("arith.maximumf", F32, "f32", None, "f32_maximum", 1),
        ("arith.select", ("i1", "f32", "f32"), "f32", None, "f32_select", 0),
        ("arith.divf", F32, "f32", None, "f32_div", 28),
        ("math.sqrt", ("f32",), "f32", None, "f32_sqrt", 28),
        ("math.exp", ("f32",), "f32", None, "f32_exp", 8),
        ("math.rsqrt", ("f32",), "f32", None, "f32_rsqrt", 7),
        ("arith.sitofp", ("i32",), "f32", None, "i32_from_int_f32", 3),
        ("arith.fptosi", ("f32",), "i32", None, "f32_to_int_i32", 3),
    ],
)
def test_units_meet_their_stages(
    operation: str, types: tuple[str, ...], result: str, predicate: str | None, name: str, at_most: int
) -> None:
    unit = Library().unit(operation, types, result, predicate)
    assert unit.name == name
    assert unit.latency_cycles <= at_most
    assert unit.interval_cycles == 1
    assert ("in %clk: !seq.clock" in unit.definition()) == (unit.latency_cycles > 0)
    assert f"module {name}(" in verilog(unit.definition())


def test_ports() -> None:
    library = Library()
    select = library.unit("arith.select", ("i1", "f32", "f32"), "f32")
    assert [(p.name, p.width_bits) for p in select.inputs] == [("cond", 1), ("on_true", 32), ("on_false", 32)]
    assert [p.name for p in library.unit("arith.addf", F32, "f32").inputs] == ["left", "right"]
    assert [p.name for p in library.unit("math.exp", ("f32",), "f32").inputs] == ["in"]
    assert library.unit("arith.addf", F32, "f32") is library.unit("arith.addf", F32, "f32")


@pytest.mark.parametrize(
    ("operation", "types", "result", "predicate", "words"),
    [
        ("math.sinh", ("f32",), "f32", None, "no unit for math.sinh (f32) -> f32"),
        ("arith.addf", ("f32", "f16"), "f32", None, "no unit for arith.addf (f32, f16) -> f32"),
        ("arith.addf", ("f80", "f80"), "f80", None, "no unit for arith.addf (f80, f80) -> f80"),
        ("arith.cmpf", F32, "i1", "oops", "no unit for arith.cmpf oops (f32, f32) -> i1"),
        ("math.exp", ("f64",), "f64", None, "no unit for math.exp (f64) -> f64"),
    ],
)
def test_what_is_missing_is_named(
    operation: str, types: tuple[str, ...], result: str, predicate: str | None, words: str
) -> None:
    with pytest.raises(NoUnit) as caught:
        Library().unit(operation, types, result, predicate)
    assert str(caught.value) == words
    assert caught.value.operation == operation


def test_models_parse_as_upstream_mlir() -> None:
    from torch_mlir import ir

    library = Library()
    units = [
        library.unit("math.exp", ("f32",), "f32"),
        library.unit("math.tanh", ("f32",), "f32"),
        library.unit("arith.maximumf", F32, "f32"),
        library.unit("arith.truncf", ("f32",), "bf16"),
        library.unit("arith.sitofp", ("i64",), "f32"),
    ]
    with ir.Context(), ir.Location.unknown():
        for unit in units:
            text = unit.model()
            assert text is not None
            assert ir.Module.parse(text).operation.verify()
    assert library.unit("arith.addf", F32, "f32").model() is None


def test_memories_export() -> None:
    weights = rom("weights", 8, [1, 2, 255])
    text = verilog(weights.definition() + ram(16, 6).definition() + delay(5, 3).definition(), weights.contents)
    assert "memory[2] = 8'hFF" in text or "memory[2] = 8'hff" in text
    assert "reg [15:0] memory[0:5]" in text
    assert text.count("always_ff @(posedge clk)\t") + text.count("always_ff @(posedge clk) begin") == 1 + 2 + 3


def test_definitions_are_reproducible() -> None:
    texts = {Library().unit(op, ("f32",), "f32").definition() for op in ("math.exp",) for _ in range(2)}
    assert len(texts) == 1

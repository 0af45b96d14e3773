"""The expression graph, its emitters and its pipelines agree with `evaluate`, whatever the expression."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from torch2hw.hwlib import Library
from torch2hw.hwlib.bits import Bits, Graph, cat, evaluate, mul, muls, mux, rom, table
from torch2hw.hwlib.delay_model import DelayModel
from torch2hw.hwlib.pipeliner import last_use, pipeline


def test_equal_expressions_are_one_node() -> None:
    g = Graph()
    a, b = g.input("a", 8), g.input("b", 8)
    assert a + b is b + a
    assert (a ^ 0) is a
    assert cat(a.bits(4, 4), a.bits(0, 4)) is a
    assert cat(a, b).bits(0, 8) is b
    assert ~~a is a


def test_constants_fold() -> None:
    g = Graph()
    five, three = g.const(5, 4), g.const(3, 4)
    assert (five + three).value == 8
    assert (three - five).value == 14
    assert muls(g.const(15, 4), three).value == 0xFD
    assert mux(g.const(1, 1), five, three) is five
    assert g.const(-1, 4).all().value == 1


@pytest.mark.parametrize("build", [lambda a, b: a + b.bits(0, 7), lambda a, b: mux(a, a, b), lambda a, b: a.bits(5, 4)])
def test_wrong_widths_are_refused(build: Callable[[Bits, Bits], Bits]) -> None:
    g = Graph()
    with pytest.raises(AssertionError):
        build(g.input("a", 8), g.input("b", 8))


def everything(g: Graph) -> Bits:
    """An expression that uses every operation."""
    a, b = g.input("a", 9), g.input("b", 9)
    look = table(a.bits(0, 3), 5, [3, 1, 4, 1, 5, 9, 2, 6]) ^ rom(b.bits(2, 3), 5, [2, 7, 1, 8, 2, 8, 1, 8])
    flags = cat(a.any(), b.all(), a.eq(b), a.ult(b), a.slt(b), (a & b).bit(3))
    words = cat(mul(a, b), muls(a, b), (a | b) - (a ^ b), ~(a + b), a.top(1).rep(3))
    return cat(words, look, flags, mux(a.bit(0), a, b))


@pytest.mark.parametrize("depth", range(8))
def test_every_depth_keeps_paths_equal(depth: int) -> None:
    g = Graph()
    schedule = pipeline(everything(g), 3.33, DelayModel(), depth)
    assert schedule.depth == depth
    last = last_use(schedule)
    for node in g.nodes:
        for operand in node.operands:
            if node.index in schedule.stages and operand.index in last:
                assert schedule.stages[operand.index] <= schedule.stages[node.index] <= max(0, depth - 1)


def test_c_and_graph_agree(tmp_path: object) -> None:
    """The C of `everything`, cut to 64 bits, for random operands."""
    import subprocess
    from pathlib import Path

    from torch2hw.hwlib import emit_c

    assert isinstance(tmp_path, Path)
    g = Graph()
    output = everything(g)
    output = output.bits(0, 60) ^ output.top(60)
    rng = random.Random(7)
    pairs = [(rng.getrandbits(9), rng.getrandbits(9)) for _ in range(200)]
    checks = "".join(f"  if (f({a}, {b}) != {evaluate(output, {'a': a, 'b': b})}ull) return 1;\n" for a, b in pairs)
    source = tmp_path / "t.c"
    source.write_text(
        f"#include <stdint.h>\n{emit_c.emit('f', g.inputs, output)}int main(void) {{\n{checks}  return 0;\n}}\n"
    )
    subprocess.run(["gcc", "-O1", "-w", "-o", str(tmp_path / "t"), str(source)], check=True)
    assert subprocess.run([str(tmp_path / "t")], check=False).returncode == 0


def test_shorter_clock_means_more_stages() -> None:
    stages = [
        Library(clock_ns=t).unit("arith.addf", ("f32", "f32"), "f32").latency_cycles for t in (1.8, 3.33, 10.0, 99.0)
    ]
    assert stages == sorted(stages, reverse=True)
    assert stages[-1] == 1

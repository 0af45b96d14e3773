"""Contents of memories beside the text: formatted as Python would format each word, and put in the right places."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from torch2hw.hwlib.contents import contents, fill, fill_verilog, reference, unsigned_type

SIZED_WORDS = st.integers(1, 64).flatmap(
    lambda width: st.tuples(st.just(width), st.lists(st.integers(0, (1 << width) - 1), min_size=1, max_size=40))
)


@given(SIZED_WORDS)
def test_words_in_hexadecimal(case: tuple[int, list[int]]) -> None:
    width, words = case
    held = contents(width, words)
    digits = (width + 3) // 4
    assert held.hexadecimal() == "".join(f"{word:0{digits}x}\n" for word in words)
    assert held.assignments("m") == [f"m[{i}] = {width}'h{word:0{digits}x};" for i, word in enumerate(words)]
    assert held.bytes == len(words) * ((width + 7) // 8)
    assert contents(width, np.array(words, unsigned_type(width))).hexadecimal() == held.hexadecimal()


@pytest.mark.parametrize("words", [[8], np.array([1, 8], np.uint32), []])
def test_words_that_do_not_fit(words: list[int]) -> None:
    with pytest.raises(AssertionError):
        contents(3, words)


def test_references_become_words() -> None:
    table = {"a.memory": contents(8, [1, 255]), "b.memory": contents(1, [1])}
    circt = f"  {reference('a.memory')} (%m) : t\n  {reference('b.memory')} (%m) : t\n"
    filled = fill(circt, table)
    assert "  sv.verbatim \"{{0}}[0] = 8'h01;\\0A{{0}}[1] = 8'hff;\\0A\" (%m) : t\n" in filled
    assert "readmemh" in circt and "readmemh" not in filled
    verilog = 'initial begin\n    $readmemh("a.memory", first);\n  $readmemh("b.memory", second);\t// -:1:2\nend\n'
    assert fill_verilog(verilog, table) == (
        "initial begin\n    first[0] = 8'h01;\n    first[1] = 8'hff;\n  second[0] = 1'h1;\nend\n"
    )


def test_a_reference_to_nothing() -> None:
    with pytest.raises(KeyError, match=r"lost\.memory"):
        fill_verilog('  $readmemh("lost.memory", memory);\n', {})
    with pytest.raises(KeyError, match=r"lost\.memory"):
        fill(f"{reference('lost.memory')} (%m) : t", {})

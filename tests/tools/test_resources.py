from __future__ import annotations

import pytest

from torch2hw.tools.resources import Resources


def test_every_site_is_counted_once() -> None:
    cells = {"LUT2": 3, "LUT6": 4, "SRL16E": 2, "SRLC32E": 1, "RAM32M16": 2, "RAM64X1D": 1, "INV": 9, "CARRY4": 5}
    cells |= {"MUXF7": 2, "FDRE": 10, "FDSE": 1, "DSP48E2": 3, "RAMB36E2": 2, "RAMB18E2": 3, "URAM288": 1, "BUFG": 1}
    assert Resources.of_cells(cells) == Resources(lut=3 + 4 + 2 + 1 + 16 + 2, ff=11, dsp=3, bram36=3.5, uram=1)


def test_an_unknown_memory_is_not_guessed() -> None:
    with pytest.raises(AssertionError, match="RAM999"):
        Resources.of_cells({"RAM999": 1})


def test_sum_and_text() -> None:
    total = Resources(1000, 2, 3, 0.5, 0) + Resources(1, 1, 1, 1, 0)
    assert str(total) == "1,001 LUT, 3 FF, 4 DSP, 1.5 BRAM36"
    assert Resources(bram36=2.0).to_json() == {"lut": 0, "ff": 0, "dsp": 0, "bram36": 2, "uram": 0}

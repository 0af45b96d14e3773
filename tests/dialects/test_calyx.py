"""CIRCT's Calyx dialect: what it refuses."""

from __future__ import annotations

import pytest

from tests.lowering.control_cases import programs
from torch2hw.dialects import calyx
from torch2hw.tools.circt_bindings import ir


def test_what_circt_refuses_is_an_error() -> None:
    unused = programs()["pipeline"].replace("calyx.static_repeat 5 { calyx.enable @three }", "")
    with pytest.raises(ir.MLIRError, match="unused in the control execution schedule"):
        calyx.verified(unused)

"""CIRCT's Calyx dialect: what it refuses, and the native text."""

from __future__ import annotations

import os
import tempfile

import pytest

from tests.lowering.control_cases import programs
from torch2hw.dialects import calyx
from torch2hw.tools.circt_bindings import ir


def test_native_text_leaves_no_file_and_no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = dict(os.environ)
    text = calyx.futil(programs()["pipeline"])
    assert "static repeat 9 {" in text and "static<3> group three {" in text
    assert dict(os.environ) == before
    assert os.listdir(str(tmp_path)) == []  # noqa: PTH208


def test_what_circt_refuses_is_an_error() -> None:
    unused = programs()["pipeline"].replace("calyx.static_repeat 5 { calyx.enable @three }", "")
    with pytest.raises(ir.MLIRError, match="unused in the control execution schedule"):
        calyx.verify(unused)

"""`verify` on modules and text: a fault of any kind, planted in what a pass returns, is found at that pass."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.dialects.changes import (
    foreign_module,
    retyped_module,
    shifted,
    stores,
    text_changed,
    unconnected,
    without_contents,
)
from tests.dialects.planting import SEQUENTIAL_TWO, Fault, expect_fault
from torch2hw.cli import main
from torch2hw.dialects.program import Program
from torch2hw.passes.bank_memories import BankMemories

FAULTS = (
    # text and modules
    Fault("verified in memory", "torch-to-linalg", retyped_module, "'func.func' op"),
    Fault("dialect", "torch-to-linalg", foreign_module, "not of the linalg level: ub.unreachable"),
    Fault("scf text", "affine-to-scf", text_changed("memref.load", "memref.lode"), "memref.lode", SEQUENTIAL_TWO),
    Fault("calyx text", "scheduled-to-calyx", text_changed("calyx.assign", "calyx.asign"), "calyx.asign"),
    Fault("cell without operand", "scheduled-to-calyx", unconnected, "is not assigned"),
    Fault("primitive", "scheduled-to-calyx", lambda p: replace(p, definitions={}), "has no definition"),
    Fault("contents", "scheduled-to-calyx", without_contents, "are not there"),
    Fault("hw text", "calyx-to-hw", text_changed("hw.output", "hw.outputs"), "hw.outputs"),
    Fault("contents in hw", "calyx-to-hw", without_contents, "are not there"),
    Fault("sv text", "hw-to-sv", text_changed("endmodule", "endmodul"), "syntax errors"),
    Fault("contents in sv", "hw-to-sv", without_contents, "are not there"),
)


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.kind for fault in FAULTS])
def test_a_planted_fault_is_found_at_the_pass_that_made_it(fault: Fault, model: Path) -> None:
    expect_fault(fault, model)


def test_the_fault_ends_the_command(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = BankMemories.run

    def run(self: BankMemories, program: Program, context: Any) -> tuple[Program, dict[str, Any]]:
        after, report = right(self, program, context)
        return stores(0, shifted)(after), report

    monkeypatch.setattr(BankMemories, "run", run)
    out = model.with_suffix(".sv")
    assert main([str(model), "-o", str(out)]) == 70
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("error[internal]: InvalidProgram: ") and "leaves its shape [4, 5]" in lines[0]
    assert lines[1] == "  operation: pass bank-memories"
    Path(lines[-1].split()[-1]).unlink()
    assert not out.exists()

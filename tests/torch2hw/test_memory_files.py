"""Large weights go to files that `$readmemh` reads; the design computes the same with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

import torch2hw
from torch2hw import memory_files

SMALL = """module weights(
  input clk
);

  reg [7:0] memory[0:1];
  initial begin
    memory[0] = 8'h0a;
    memory[1] = 8'hff;
  end // initial
endmodule
"""


def test_contents_become_a_file_named_after_module_and_memory() -> None:
    assert memory_files.contents_bytes(SMALL) == 2
    moved, files = memory_files.move_contents(SMALL, "out.mem")
    assert files == {"out.mem/weights_memory.hex": "0a\nff\n"}
    assert '  initial\n    $readmemh("out.mem/weights_memory.hex", memory);\n' in moved
    assert "begin" not in moved


@pytest.mark.simulation
def test_a_design_with_memory_files_is_bit_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_files, "LIMIT_BYTES", 256)
    torch.manual_seed(3)
    x = torch.randn(2, 11)
    design = torch2hw.compile(nn.Linear(11, 13), (x,))
    design.write(tmp_path / "out.sv")
    manifest = json.loads((tmp_path / "out.json").read_text())
    assert manifest["memory_files"] and all((tmp_path / name).is_file() for name in manifest["memory_files"])
    assert design.simulate(x).bit_exact

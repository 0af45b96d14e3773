"""Large weights go to files that `$readmemh` reads; the design computes the same with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

import torch2hw
from torch2hw.compiler import memory_files
from torch2hw.hwlib.contents import contents

SMALL = """module weights(
  input clk
);

  reg [7:0] memory[0:1];
  initial begin
    $readmemh("weights.memory", memory);
    rest[0] = 9'h1fe;
    rest[1] = 9'h001;
  end // initial
endmodule
"""
TABLE = {"weights.memory": contents(8, [0x0A, 0xFF])}


def test_contents_become_a_file_named_after_module_and_memory() -> None:
    assert memory_files.contents_bytes(SMALL, TABLE) == 6
    moved, files = memory_files.move_contents(SMALL, TABLE, "out.mem")
    assert files == {"out.mem/weights_memory.hex": "0a\nff\n", "out.mem/weights_rest.hex": "1fe\n001\n"}
    read = [f'    $readmemh("out.mem/weights_{memory}.hex", {memory});' for memory in ("memory", "rest")]
    assert "\n".join(["  initial begin", *read, "  end", "endmodule"]) in moved


@pytest.mark.simulation
@pytest.mark.parametrize(("inputs", "outputs"), [(11, 13), (33, 65)], ids=["a memory each", "one in several memories"])
def test_a_design_with_memory_files_is_bit_exact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: int, outputs: int
) -> None:
    monkeypatch.setattr(memory_files, "LIMIT_BYTES", 256)
    torch.manual_seed(3)
    x = torch.randn(2, inputs)
    design = torch2hw.compile(nn.Linear(inputs, outputs), (x,))
    design.write(tmp_path / "out.sv")
    manifest = json.loads((tmp_path / "out.json").read_text())
    assert manifest["memory_files"] and all((tmp_path / name).is_file() for name in manifest["memory_files"])
    assert design.simulate(x).bit_exact

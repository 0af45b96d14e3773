"""A small hand-written design with the host interface of contract section 5, and its manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from torch2hw.analysis.stored_arrays import Array
from torch2hw.sim.manifest import Manifest

# y = 3 * x + offset, one element a cycle. x is [3, 5] i16 in two banks of rows, y in two banks of columns.
AFFINE = """
module affine (
  input  logic clk, reset, go,
  input  logic [4:0] x_addr, input logic [15:0] x_data, input logic x_we,
  input  logic offset_addr, input logic [15:0] offset_data, input logic offset_we,
  input  logic [4:0] y_addr, input logic y_re, output logic [15:0] y_data,
  output logic done
);
  logic [15:0] x [0:31];
  logic [15:0] offset;
  logic [15:0] y [0:31];
  logic busy;
  logic [1:0] row;
  logic [2:0] column;
  wire active = busy | (go & ~done);
  wire last = row == 2'd2 & column == 3'd4;
  wire [3:0] offset_in_bank = row[1] ? 4'd5 + 4'(column) : 4'(column);
  wire [15:0] element = x[{row[0], offset_in_bank}];
  wire [3:0] y_offset = 4'(row) * 4'd3 + 4'(column[2:1]);
  always_ff @(posedge clk) begin
    done <= ~reset & active & last;
    if (reset) begin
      busy <= 1'b0;
      row <= '0;
      column <= '0;
    end else if (active) begin
      busy <= ~last;
      column <= column == 3'd4 ? '0 : column + 3'd1;
      if (column == 3'd4) row <= last ? '0 : row + 2'd1;
    end
    if (active & ~reset) y[{column[0], y_offset}] <= 16'd3 * element + offset;
    if (x_we & ~active) x[x_addr] <= x_data;
    if (offset_we & ~offset_addr & ~active) offset <= offset_data;
    if (y_re) y_data <= y[y_addr];
  end
endmodule
"""

MANIFEST: dict[str, Any] = {
    "manifest": 1,
    "generator": "hand",
    "top": "affine",
    "files": ["affine.sv"],
    "memory_files": [],
    "clock": "clk",
    "reset": "reset",
    "start": "go",
    "finish": "done",
    "latency_cycles": 15,
    "inputs": [
        {"name": "x", "shape": [3, 5], "dtype": "i16", "width": 16, "address_port": "x_addr", "data_port": "x_data",
         "enable_port": "x_we", "bank_factors": [2, 1], "offset_bits": 4},
        {"name": "offset", "shape": [], "dtype": "i16", "width": 16, "address_port": "offset_addr",
         "data_port": "offset_data", "enable_port": "offset_we", "bank_factors": [], "offset_bits": 0},
    ],
    "outputs": [
        {"name": "y", "shape": [3, 5], "dtype": "i16", "width": 16, "address_port": "y_addr", "data_port": "y_data",
         "enable_port": "y_re", "bank_factors": [1, 2], "offset_bits": 4},
    ],
}  # fmt: skip


def affine_in(directory: Path, *faults: tuple[str, str]) -> Manifest:
    """Write the design, with pieces of its text replaced, and give its manifest."""
    text = AFFINE
    for right, wrong in faults:
        assert right in text
        text = text.replace(right, wrong)
    (directory / "affine.sv").write_text(text)
    return Manifest.from_json(MANIFEST)


def affine_inputs(seed: int) -> list[Array]:
    random = np.random.default_rng(seed)
    return [random.integers(-1000, 1000, (3, 5), np.int16), np.array(random.integers(-9, 9), np.int16)]


def affine_output(inputs: list[Array]) -> Array:
    x, offset = inputs
    return np.asarray(3 * x.astype(np.int16) + offset.astype(np.int16), np.int16)

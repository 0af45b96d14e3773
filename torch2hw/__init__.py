"""torch2hw: a PyTorch model becomes verified, statically scheduled SystemVerilog."""

from __future__ import annotations

__version__ = "0.1.0"

"""Runs the bench that `torch2hw testbench` writes for a design with streams or a bus."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SEED = "1"  # of the random transactions
FAST_BUILD = "OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0"  # most of the time goes to Python
OURS = ("PYTEST", "COCOTB", "PYTHONPATH")  # the bench stands alone


def run(
    folder: Path, simulator: str, transactions: int, chosen: str = "", within_seconds: float | None = None
) -> subprocess.CompletedProcess[str]:
    """The bench in `folder` of the whole design, on `verilator` or `icarus`, with so many random transactions; of its
    tests those whose name matches `chosen`. Raises TimeoutExpired where it takes longer than `within_seconds`."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
    environment |= {"TRANSACTIONS": str(transactions), "COCOTB_RANDOM_SEED": SEED, "MAKEFLAGS": FAST_BUILD}
    environment |= {"COCOTB_TEST_FILTER": chosen} if chosen else {}
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "-k", f"test_top and {simulator}"]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=within_seconds, check=False
    )

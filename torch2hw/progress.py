"""One line on a terminal that says what is running and for how long; nothing anywhere else."""

from __future__ import annotations

import os
import sys
import threading
import time
from types import TracebackType

PERIOD_SECONDS = 0.2


class Progress:
    """Shows what `step` was last told. Written by a thread of its own, straight to the descriptor of stderr."""

    def __init__(self, quiet: bool = False) -> None:
        self._shown = not quiet and sys.stderr.isatty()
        self._what = ""
        self._since = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Progress:
        if self._shown:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._ended.set()
            self._thread.join()
            self._write("")

    def step(self, what: str) -> None:
        """Something new is running."""
        self._what, self._since = what, time.monotonic()

    def cycles(self, cycles: int, seconds: float) -> None:
        """How far a simulation is."""
        self._what = f"simulate: {cycles:,} cycles, {cycles / max(seconds, 1e-9):,.0f} a second"

    def _run(self) -> None:
        while not self._ended.wait(PERIOD_SECONDS):
            self._write(f"{time.monotonic() - self._since:5.1f} s  {self._what}")

    def _write(self, line: str) -> None:
        os.write(sys.stderr.fileno(), f"\r\033[K{line}".encode())

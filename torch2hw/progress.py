"""One line on a terminal: what is running, for how long, how far it is and how long it will take; nothing elsewhere.

12.3 s  3 of 12 points, about 4 min left: cnn at 2: simulate
"""

from __future__ import annotations

import os
import sys
import threading
import time
from types import TracebackType

PERIOD_SECONDS = 0.2


def shown_left(seconds: float) -> str:
    """An estimate of the time left, as coarse as it is sure."""
    if seconds < 90:
        return f"about {max(5, round(seconds / 5) * 5)} s left"
    return f"about {round(seconds / 60)} min left" if seconds < 5400 else f"about {seconds / 3600:.1f} h left"


class Progress:
    """Shows what `step` was last told. Written by a thread of its own, straight to the descriptor of stderr."""

    def __init__(self, quiet: bool = False) -> None:
        self._shown = not quiet and sys.stderr.isatty()
        self._what = ""
        self._whole = ""
        self._expected: float | None = None
        self._since = self._begun = time.monotonic()
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

    def step(self, what: str, expected_seconds: float | None = None) -> None:
        """Something new is running, and will for so long where that is known."""
        self._what, self._since, self._expected = what, time.monotonic(), expected_seconds

    def part(self, done: int, total: int, what: str) -> None:
        """How many of the command's parts are done; those to come are expected to take as long as those."""
        self._whole = f"{done} of {total} {what}"
        if done:
            left = (time.monotonic() - self._begun) / done * (total - done)
            self._whole += f", {shown_left(left)}"
        self._whole += ": "

    def tell(self, text: str) -> None:
        """A line that stays, above the one that changes."""
        if self._shown:
            self._write("")
        print(text, file=sys.stderr, flush=True)

    def cycles(self, cycles: int, seconds: float) -> None:
        """How far a simulation is."""
        self._what = f"simulate: {cycles:,} cycles, {cycles / max(seconds, 1e-9):,.0f} a second"

    def _run(self) -> None:
        while not self._ended.wait(PERIOD_SECONDS):
            elapsed = time.monotonic() - self._since
            left = "" if self._expected is None else f", {shown_left(self._expected - elapsed)}"
            self._write(f"{elapsed:5.1f} s  {self._whole}{self._what}{left}")

    def _write(self, line: str) -> None:
        os.write(sys.stderr.fileno(), f"\r\033[K{line}".encode())

"""The error of an elementary function over all 2^32 inputs: `python -m torch2hw.hwlib.survey math.exp` (one to five
minutes), and a checksum of all results.

The unit's graph runs as C; the oracle is the C library in double, whose own error is below 1e-8 of a binary32 ulp.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from . import emit_c
from .library import ENTRIES, Library
from .unit import Unit

EXACT = {operation: entry.exact for operation, entry in ENTRIES.items() if entry.exact}


def survey(unit: Unit, operation: str, flush: bool, step: int, folder: Path) -> tuple[bool, str]:
    """(whether every result is within the unit's bound, the measurement in words), for all inputs or, with a step, for
    a sample: specials, a quarter of a million with exponents near the bias, and every step-th.
    """
    binary = build(unit, operation, flush, folder, emit_c.emit("graph", list(unit.operands), unit.schedule.output))
    done = subprocess.run([str(binary), str(step)], capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout.strip()


def build(unit: Unit, operation: str, flush: bool, folder: Path, graph: str) -> Path:
    """The executable; `graph` is the function of that name in C."""
    bench = folder / "survey.cpp"
    bench.write_text((Path(__file__).parent / "survey.cpp").read_text())
    (folder / "unit.h").write_text(
        f"#define FLUSH {int(flush)}\n#define BOUND {unit.error_ulp}\n{graph}"
        f"static inline double exact(double x) {{ return {EXACT[operation]}; }}\n"
    )
    binary = folder / "survey"
    built = subprocess.run(
        ["g++", *emit_c.FLAGS, "-w", "-o", str(binary), str(bench)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return binary


def main(arguments: list[str] | None = None) -> int:
    """The command; exit code 1 if a result is beyond the stated bound."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("operation", choices=sorted(EXACT))
    parser.add_argument("--step", type=int, default=1, help="look at a sample, every STEP-th input in it")
    parser.add_argument("--subnormals", choices=("flush", "keep"), default="flush")
    options = parser.parse_args(arguments)
    unit = Library(subnormals=options.subnormals).unit(options.operation, ("f32",), "f32")
    with tempfile.TemporaryDirectory() as folder:
        passed, text = survey(unit, options.operation, options.subnormals == "flush", options.step, Path(folder))
    print(f"{unit.name} {options.subnormals}: {text}; graph {emit_c.digest(list(unit.operands), unit.schedule.output)}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())

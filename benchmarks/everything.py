"""`python -m torch2hw.benchmarks.everything`: every record of this folder measured again, one after the other.

Each module of this folder that has a `main` is a step; `--only TEXT` chooses steps, `--list` prints them. A step that
fails is told, and the others go on; the exit status is then 1. `versions.json` gets the versions of the tools.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from pathlib import Path

from torch2hw.compiler.version import __version__
from torch2hw.explore.records import TOOLS, version_of
from torch2hw.tools.output import write_files

HERE = Path(__file__).resolve().parent
NO_STEPS = ("everything", "regression")
README = ("-m", "pytest", "-q", "--bless", "tests/docs/test_figures.py")
"""What puts the results into README's table."""


def steps() -> list[list[str]]:
    """Arguments of Python for each step, the paper's models first."""
    found = [["-m", "torch2hw.benchmarks"]]
    for file in sorted(HERE.glob("*.py")):
        if not file.stem.startswith("_") and file.stem not in NO_STEPS and "\ndef main(" in file.read_text():
            found.append(["-m", f"torch2hw.benchmarks.{file.stem}"])
    return [*found, ["-m", "torch2hw.benchmarks.regression", "--record", "--all"], list(README)]


def main(arguments: list[str] | None = None) -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m torch2hw.benchmarks.everything", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--only", metavar="TEXT", default="", help="steps whose command contains this")
    parser.add_argument("--list", action="store_true", help="print the steps")
    parsed = parser.parse_args(arguments)
    chosen = [step for step in steps() if parsed.only in " ".join(step)]
    failed = 0
    for step in chosen:
        print(f"python {' '.join(step)}", flush=True)
        if not parsed.list:
            failed |= subprocess.run([sys.executable, *step], cwd=HERE.parent).returncode != 0
    if not parsed.list:
        versions = {"torch2hw": __version__, "python": platform.python_version()}
        versions |= {tool: version_of(tool) for tool in TOOLS}
        write_files({HERE / "versions.json": json.dumps(versions, indent=2) + "\n"})
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

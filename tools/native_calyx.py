"""The native Calyx compiler: `cargo install calyx --version 0.7.1 --locked`. Its program is called `calyx`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from torch2hw.tools.errors import InternalError
from torch2hw.tools.processes import require, run_all

VERSION = "0.7.1"
INSTALL = f"cargo install calyx --version {VERSION} --locked"
SYNTHESIS = ("--synthesis", "--disable-verify")  # without what Yosys does not read: checks, and files of memories


def verilog(futil: Path, options: Sequence[str] = ()) -> str:
    """The SystemVerilog that the native compiler makes of a .futil file, which it may refuse as an InternalError: we
    wrote it. Raises MissingTool where it is not installed."""
    program = require("calyx", "the native Calyx compiler", INSTALL)
    with TemporaryDirectory() as folder:
        status, said = run_all([[program, "--version"]], Path(folder), 1)[0]
        library = re.search(r"^Library location: (.*)$", said, re.MULTILINE)
        if status or library is None:
            raise InternalError(f"{program} --version prints no library: {said.strip()}")
        made = Path(folder, "made.v")  # standard output: -o of this version leaves the library out
        script = 'exec "$0" -l "$1" -b verilog "${@:4}" "$2" > "$3"'
        command = ["bash", "-c", script, program, library[1], futil.resolve(), made, *options]
        status, said = run_all([command], Path(folder), 1)[0]
        if status:
            reasons = [line for line in said.splitlines() if not line.startswith("[WARN")]
            raise InternalError(f"calyx refuses {futil.name}: {' '.join(reasons)}")
        return made.read_text()

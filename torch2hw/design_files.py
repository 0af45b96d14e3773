"""What is written of a design: OUT.sv, and its manifest OUT.json beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch2hw.compiler import Compiled
from torch2hw.errors import UsageError
from torch2hw.output import write_files


def manifest_path(path: Path) -> Path:
    """Where the manifest of a design written to `path` stands."""
    if path.suffix == ".json":
        raise UsageError(f"-o {path}: the manifest has that name", fix=f"use -o {path.with_suffix('.sv')}")
    return path.with_suffix(".json")


def write_design(compiled: Compiled, path: Path) -> dict[str, Any]:
    """Write both files, or neither; the manifest."""
    manifest = compiled.manifest([path.name], [])
    write_files({path: compiled.verilog(), manifest_path(path): json.dumps(manifest, indent=2) + "\n"})
    return manifest

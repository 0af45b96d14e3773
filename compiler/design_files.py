"""The files of a design: OUT.sv, its manifest OUT.json, and OUT.mem/ with weights that are too large for OUT.sv."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch2hw.compiler import memory_files
from torch2hw.tools.errors import UsageError
from torch2hw.tools.output import check_writable, write_files
from torch2hw.tools.unfinished import unfinished

UNQUOTABLE = frozenset('"\\') | frozenset(map(chr, range(32)))


def manifest_path(path: Path) -> Path:
    """The path of the manifest of a design that is written to `path`."""
    if path.suffix == ".json":
        raise UsageError(f"-o {path}: the manifest has that name", fix=f"use -o {path.with_suffix('.sv')}")
    return path.with_suffix(".json")


class Finished(Protocol):
    """A design whose passes have all run: a `Compiled`, or a `Replayed`."""

    def at(self, level: str) -> Any:
        """The program of a level."""

    def manifest(self, files: list[str], memory_files: list[str]) -> dict[str, Any]:
        """The manifest of the design written as these files."""


@dataclass(frozen=True)
class DesignTexts:
    """The manifest of a design, and the text of each of its files: SystemVerilog and memory contents."""

    manifest: dict[str, Any]
    files: dict[str, str]

    @property
    def manifest_text(self) -> str:
        """What stands in the manifest's file."""
        return json.dumps(self.manifest, indent=2) + "\n"


def design_texts(compiled: Finished, name: str) -> DesignTexts:
    """The files of a design whose SystemVerilog is called `name`, each by its path beside it."""
    program = compiled.at("sv")
    verilog, table = program.text(weights=False), program.contents
    files: dict[str, str] = {}
    if memory_files.contents_bytes(verilog, table) > memory_files.LIMIT_BYTES:
        verilog, files = memory_files.move_contents(verilog, table, f"{Path(name).stem}.mem")
    else:
        verilog = program.text()
    return DesignTexts(compiled.manifest([name], sorted(files)), {**files, name: verilog})


def write_design(compiled: Finished, path: Path, last: bool = False) -> dict[str, Any]:
    """Write OUT.sv, OUT.json and, for large weights (`LIMIT_BYTES`), OUT.mem/*.hex: all or nothing. The manifest.

    `last`: the command writes nothing after it.
    """
    design = design_texts(compiled, path.name)
    files = {path.parent / name: text for name, text in design.files.items()}
    folder = path.with_suffix(".mem")
    if design.manifest["memory_files"] and not set(path.stem).isdisjoint(UNQUOTABLE):
        raise UsageError(
            f"-o {path}: weights go to files whose names begin with that one, and it holds a quote or a backslash",
            why="SystemVerilog names them between quotes",
            fix="choose a file name without",
        )
    new = bool(design.manifest["memory_files"]) and not folder.exists()
    check_writable(path)
    made = [folder] if new else []
    with unfinished(*made):
        try:
            for each in made:
                each.mkdir()
            write_files({**files, manifest_path(path): design.manifest_text}, last)
        except BaseException:
            for each in made:
                shutil.rmtree(each)
            raise
    return design.manifest
